package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

//go:embed starter.yaml
var starter []byte

const starterIgnore = "# What lfm keeps here: the store of artifacts, and finished pictures.\n.lfm/\nout/\n"

func newInit(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a commented starter pipeline.yaml",
		Long: `Init writes a commented pipeline.yaml and a .gitignore into a folder, here or DIR, which is
made if need be. It overwrites nothing.`,
		Example: `  lfm init
  lfm init flowers`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return initRun(a, dir)
		},
	}
}

func initRun(a *app, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file := filepath.Join(dir, defaultFile)
	if err := writeNew(file, starter); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; lfm init overwrites nothing: name another folder", file)
	} else if err != nil {
		return err
	}
	ignore := filepath.Join(dir, ".gitignore")
	if err := writeNew(ignore, []byte(starterIgnore)); errors.Is(err, fs.ErrExist) {
		if missing := notIgnored(ignore); len(missing) > 0 {
			a.notef("%s is there already and stays as it is; add to it: %s", ignore, strings.Join(missing, " "))
		}
	} else if err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "wrote %s, which trains on the built-in critters; give it your images as source, or go on with: lfm run %s\n", file, file)
	return nil
}

// notIgnored lists what a .gitignore should have a line of and does not.
func notIgnored(path string) []string {
	text, _ := os.ReadFile(path)
	have := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		have[strings.Trim(strings.TrimSpace(line), "/")] = true
	}
	var missing []string
	for _, name := range []string{".lfm", "out"} {
		if !have[name] {
			missing = append(missing, name+"/")
		}
	}
	return missing
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// usageArgs makes cobra's complaints about arguments usage errors.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%w; see %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}

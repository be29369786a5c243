package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"lfm/internal/kernels"
)

func newVersion(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print lfm's version, and what it was built with and computes with",
		Example: `  lfm version --json`,
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			v := version()
			if a.json {
				return printJSON(a.Out, v)
			}
			_, err := fmt.Fprintf(a.Out, "lfm %s (%s, %s, kernels %s)\n", v["version"], v["go"], v["platform"], v["kernels"])
			return err
		},
	}
	a.reading(cmd)
	return cmd
}

// version says which lfm this is: the module's version, or the commit it was built from.
func version() map[string]string {
	v := map[string]string{
		"version":  "(devel)",
		"go":       runtime.Version(),
		"platform": runtime.GOOS + "/" + runtime.GOARCH,
		"kernels":  kernels.Level().String(),
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v["version"] = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v["revision"] = s.Value
		}
	}
	return v
}

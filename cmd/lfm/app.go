package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lfm/artifacts"
	"lfm/internal/kernels"
	"lfm/pipeline"
)

// Exit codes, the same for every command.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2   // wrong usage or configuration: nothing was started
	exitWouldRun    = 3   // --dry-run and status: not everything is cached
	exitInterrupted = 130 // SIGINT: saved, resumable

	// Behind other signals it is 128 and the signal's number, as shells have it: 129 for SIGHUP, 143 for SIGTERM.
	exitSignal = 128
	exitUnread = exitSignal + int(syscall.SIGPIPE) // nobody reads what is printed: saved, resumable
)

// streams are the terminal's ends: results go to Out, progress and errors to Err.
type streams struct {
	In       io.Reader
	Out, Err io.Writer
	Terminal bool // Err is a terminal that can go back in a line: progress bars rather than lines
}

// System is the process's own streams.
func System() streams {
	return streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Terminal: term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb"}
}

// watched passes on what is printed, and tells when nobody reads it any more.
type watched struct {
	io.Writer
	unread func()
}

func (w watched) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		w.unread()
	}
	return n, err
}

// results passes on what goes to stdout and remembers the first failure, so that a command
// whose results nobody got does not end well.
type results struct {
	to  io.Writer
	err error
}

func (r *results) Write(p []byte) (int, error) {
	n, err := r.to.Write(p)
	if r.err == nil {
		r.err = err
	}
	return n, err
}

// usageError is a mistake in the command line; it exits with exitUsage.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitError ends the program with a code and no message: what there was to say was said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Main runs lfm with the arguments behind the program's name and returns its exit code.
func Main(args []string, io streams) int {
	a := &app{}
	ctx, end := withEnding(context.Background(), a)
	out := &results{to: watched{io.Out, end.noReader}}
	io.Out = out
	if !io.Terminal { // whose end is SIGHUP, and whose width the progress bar asks for
		io.Err = watched{io.Err, end.noReader}
	}
	a.streams = io
	end.listen()
	root := newRoot(a)
	root.SetArgs(args)
	root.SetContext(ctx)
	root.SetIn(io.In)
	root.SetOut(io.Out)
	root.SetErr(io.Err)
	err := root.Execute()
	if err == nil {
		err = out.err // nobody else looks at every line's
	}
	return a.report(err, end)
}

// report prints an error in one place and turns it into an exit code.
func (a *app) report(err error, end *ending) int {
	var code exitError
	var usage usageError
	var config *pipeline.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, context.Canceled) && end.signal() != nil:
		a.notef("%s", a.afterInterrupt(err))
		return exitOf(end.signal())
	case end.unread.Load() && (errors.Is(err, context.Canceled) || errors.Is(err, syscall.EPIPE)):
		return exitUnread
	}
	message := err.Error() + advice(err)
	if a.log == "json" {
		jsonLines(a.Err)(pipeline.Event{Time: time.Now(), Event: eventError, Error: message})
	} else {
		fmt.Fprintf(a.Err, "lfm: %s\n", message)
	}
	if errors.As(err, &usage) || errors.As(err, &config) {
		return exitUsage
	}
	return exitFailed
}

// advice ends a message of the operating system in what to do.
func advice(err error) string {
	var told *artifacts.ReadOnlyError
	var renamed *os.LinkError
	is := func(refusals ...error) bool {
		return slices.ContainsFunc(refusals, func(r error) bool { return errors.Is(err, r) })
	}
	switch {
	case errors.As(err, &told):
		return ""
	case is(syscall.ENOSPC, syscall.EDQUOT):
		return "; make room there (lfm artifacts gc may help) and say it again: what was saved is kept"
	case is(syscall.EFBIG):
		return "; raise the limit on the size of files (ulimit -f) and say it again: what was saved is kept"
	case is(syscall.EMFILE, syscall.ENFILE):
		return "; raise the limit on open files (ulimit -n) and say it again"
	case is(syscall.EROFS):
		return "; make it writable, or choose another place"
	case is(fs.ErrPermission):
		return "; make it accessible (chmod, chown), or choose another place"
	case is(syscall.ENAMETOOLONG):
		return "; choose a place with a shorter name"
	case is(syscall.EISDIR), is(fs.ErrExist) && errors.As(err, &renamed) && renamed.Op == "rename":
		return "; a folder stands where a file is wanted: name a file in it"
	case is(syscall.ENOTDIR, fs.ErrExist):
		return "; a file, or a link to nothing, stands where a folder is wanted: move it away"
	}
	return ""
}

// afterInterrupt says where an interrupted command stands, and how to go on.
func (a *app) afterInterrupt(err error) string {
	var run *pipeline.InterruptedError
	switch {
	case errors.As(err, &run):
		return fmt.Sprintf("%v\ngo on with: %s", err, a.resume)
	case a.stopped != "":
		return a.stopped
	}
	return "interrupted; what was written whole is kept, and the same command makes the rest"
}

// notef says something on stderr beside results and progress: a line of text, or with --log
// json an object like all others there.
func (a *app) notef(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if a.log == "json" {
		jsonLines(a.Err)(pipeline.Event{Time: time.Now(), Event: eventNotice, Message: text})
		return
	}
	for line := range strings.Lines(text) {
		fmt.Fprintf(a.Err, "lfm: %s\n", strings.TrimSuffix(line, "\n"))
	}
}

// What --log json says beside a run's own events.
const (
	eventNotice = "notice" // Message
	eventError  = "error"  // Error: why lfm ends
)

// An ending is why a command is to end before it is done: a signal came, or nobody reads what it prints.
type ending struct {
	app    *app
	cancel context.CancelFunc
	first  atomic.Value // os.Signal
	unread atomic.Bool
}

// withEnding is a context that an ending cancels, so that stages save and stop.
func withEnding(parent context.Context, a *app) (context.Context, *ending) {
	ctx, cancel := context.WithCancel(parent)
	return ctx, &ending{app: a, cancel: cancel}
}

// signal is the one that came first, or nil.
func (e *ending) signal() os.Signal {
	s, _ := e.first.Load().(os.Signal)
	return s
}

// noReader ends the command because nobody reads what it prints: `lfm run 2>&1 | tee log` after tee has
// gone, at Ctrl-C say.
func (e *ending) noReader() {
	e.unread.Store(true)
	e.cancel()
}

// listen ends the command at the first SIGINT, SIGTERM or, unless nohup had it ignored, SIGHUP of a terminal
// that goes away. Being asked to end twice ends the process at once. SIGHUP does not count as being asked: the
// shell and the system both send it, and an ended session's processes get it with SIGTERM.
func (e *ending) listen() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	// A write that nobody reads shall fail (see watched), rather than end the process where it stands.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		asked := 0
		for s := range signals {
			if s != syscall.SIGHUP {
				asked++
			}
			switch {
			case e.first.CompareAndSwap(nil, s):
				if e.app.Terminal {
					fmt.Fprintln(e.app.Err) // the terminal shows ^C
				}
				e.app.notef("%v: saving%s", s, onceMore(s))
				e.cancel()
			case asked > 1:
				os.Exit(exitOf(s))
			}
		}
	}()
}

// onceMore says what a second signal does, to who sent the first.
func onceMore(s os.Signal) string {
	if s == syscall.SIGHUP {
		return ""
	}
	return "; once more to stop at once"
}

// exitOf is the exit code behind a signal.
func exitOf(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return exitSignal + int(n)
	}
	return exitInterrupted
}

// app is what every command shares: the streams and the flags that say which pipeline,
// store and machine.
type app struct {
	streams
	file    string   // -f
	store   string   // --store
	sets    []string // --set
	threads int
	device  string
	log     string
	json    bool

	resume  string        // the command that goes on with the run at work
	stopped string        // what is said of a command that was interrupted, if it is not what is said of most
	answers *bufio.Reader // of In, once something was asked
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "lfm",
		Short: "Train and sample latent flow matching models from a folder of images",
		Long: `lfm trains and samples latent flow matching models from a folder of images.

A pipeline.yaml names stages: train an autoencoder, encode the images to Arrow latent
files, train a flow on the latents, decode guided samples to PNG. What a stage made is
kept by content and reused; what was interrupted goes on where it stopped.`,
		Example: `  lfm init
  lfm run
  lfm generate --prompt-class cat
  lfm resume --from encode`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q; lfm --help lists them%s", args[0], didYouMean(args[0], commandNames(cmd)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see %s --help", err, cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVarP(&a.file, "file", "f", "", "the pipeline.yaml (default: here, else the one last run from this folder)")
	flags.StringVar(&a.store, "store", os.Getenv("LFM_STORE"), "the store of artifacts (default: .lfm beside pipeline.yaml; LFM_STORE)")
	root.AddCommand(
		newInit(a), newRun(a), newResume(a), newGenerate(a),
		newReport(a),
		newStatus(a), newDag(a), newExplain(a), newLogs(a), newArtifacts(a),
		newBench(a), newLab(a), newSchema(a), newVersion(a),
	)
	root.InitDefaultCompletionCmd()
	return root
}

func commandNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return names
}

// didYouMean is "; did you mean NAME?" if a valid word is near enough.
func didYouMean(word string, valid []string) string {
	if near := pipeline.Nearest(word, valid); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// computing adds the flags of commands that compute.
func (a *app) computing(cmd *cobra.Command) {
	cmd.PreRun = func(*cobra.Command, []string) {
		if note := kernels.LevelNote(); note != "" {
			a.notef("%s", note)
		}
	}
	cmd.Flags().IntVar(&a.threads, "threads", 0, "threads to compute with (default: all)")
	cmd.Flags().StringVar(&a.device, "device", os.Getenv("LFM_DEVICE"), "auto or cpu (LFM_DEVICE); never part of a key")
}

// checkComputing finds what is wrong with the flags that computing adds. pinned is the device
// that pipeline.yaml pins, which makes --device of no account.
func (a *app) checkComputing(pinned string) error {
	if a.threads < 0 {
		return usagef("--threads %d: want 0 for all, or more", a.threads)
	}
	if pinned != "auto" {
		return nil
	}
	if err := checkDevice(a.device); err != nil {
		return usageError{err}
	}
	return nil
}

// reading adds the flags of commands that only read.
func (a *app) reading(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
}

// logging adds the flag that says how progress is shown.
func (a *app) logging(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.log, "log", "auto", "progress on stderr: auto, bar, plain, json (one object a line)")
}

// setting adds --set.
func (a *app) setting(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&a.sets, "set", nil, "override a setting: stages.flow.with.steps=200 (repeatable)")
}

package pipeline

import (
	"context"

	"lfm/artifacts"
)

// Kind describes a sort of stage: what `uses:` names.
type Kind struct {
	Name    string // "flow"
	Version int    // of the implementation; part of every key
	Inputs  []Port // what it is made from
	Data    bool   // it reads images: Inputs.Source and Inputs.Data are set
	Output  string // kind of the artifact that it makes

	// Config returns a pointer to a struct that holds the defaults. Its tags say what
	// pipeline.yaml may set (config.go).
	Config func() any

	// Check, if set, says what is wrong with settings beside those of the stages that they are
	// wired to, as the settings' own Validate says what is wrong with them alone: what would
	// be refused when everything before it has run is refused before anything does. at gives
	// the settings of the stage at a port, or behind several, one after the other, and with
	// DataPort as the last one those of the data set that is read there; nil where none is.
	Check func(cfg any, at func(ports ...string) any) error

	// CheckData, if set, says of data sets what Check says of settings: what is wrong with them for a
	// stage of these settings. It is asked when all of a run are indexed, before a stage is computed.
	// at gives the facts of a data set (SourceKind.Facts), whose way ends with DataPort.
	CheckData func(cfg any, at func(ports ...string) any) error

	// Open makes a stage from its settings, a pointer as Config returns it.
	Open func(cfg any, env Env) (Stage, error)
}

// Port is a named input of a kind.
type Port struct {
	Name     string // unique within the kind
	Artifact string // kind of artifact that it takes: the Output of the stage before

	// Via, if set, names another port of the same kind. Nobody writes this port under
	// needs: it is filled with the artifact of its kind that the other port's artifact
	// was made from, the nearest one. A flow that needs latents gets their autoencoder so.
	Via string

	// Optional ports may be left empty, and are filled by name alone: needs: {port: stage}.
	Optional bool
}

// DataPort stands for the data set that a stage reads, where Kind.Check and Kind.CheckData ask for it. No port has this name.
const DataPort = "data"

// Env is what a stage is told beside its settings. Of these only Seed is part of the key;
// Device is where pipeline.yaml pins it.
type Env struct {
	Seed    uint64
	Threads int    // as many as it may use; 0: all
	Device  string // auto, cpu, cuda or cuda:N
	BaseDir string // folder of pipeline.yaml
	OutDir  string // for side products that nobody reads back, such as preview pictures: out/STAGE beside pipeline.yaml; may not exist yet

	// AcceptInexact lets a stage go on with a work area that another back end began
	// (Workspace.Claim), though the bytes may then differ from a straight run's.
	AcceptInexact bool
}

// Stage is a repeatable computation from inputs to one payload.
//
// Run writes its payload to out and returns nil when it is whole; the runner publishes it.
// The bytes must be a pure function of the key text. While it works it keeps in the work
// area what it needs to go on after a kill; the area is empty at the first start, holds
// what was left at the next, and is removed when the payload is published. When ctx ends,
// Run saves, and returns an error that wraps ctx.Err() within seconds.
type Stage interface {
	Run(ctx context.Context, in Inputs, work artifacts.Workspace, out *artifacts.Builder, l Listener) error
}

// Inputs is what a stage is made from.
type Inputs struct {
	Artifacts map[string]*artifacts.Artifact // by port name
	Data      *artifacts.Artifact            // index of the data set, if the kind reads images
	Source    Source                         // the data set itself, if the kind reads images
}

// Source is an opened data set. tell, which may be nil, is told what is being done, with how many images of how many so
// far, and how many a second.
type Source interface {
	// Digest identifies everything that the index and the pixels depend on, never the path.
	Digest(ctx context.Context, tell func(doing string, done, total int, perSecond float64)) (artifacts.ID, error)
	// Index writes the payload of the index artifact. Killed, the next call goes on where it was.
	Index(ctx context.Context, out *artifacts.Builder, warn func(string), tell func(doing string, done, total int, perSecond float64)) error
}

// SourceKind describes data sets: what stands under `datasets:`.
type SourceKind struct {
	Version int        // of the index
	Config  func() any // as in Kind

	// Facts says what Kind.CheckData is to know of a data set, by its index. It may be nil if no kind has one.
	Facts func(index *artifacts.Artifact) (any, error)

	// Open opens a data set. dir is the folder of pipeline.yaml, from which relative
	// paths start; cacheDir is a folder for what makes digesting and reading quick, and may
	// not exist yet.
	Open func(cfg any, dir, cacheDir string) (Source, error)
}

// Kinds is everything that a pipeline.yaml may name.
type Kinds struct {
	Stages []Kind
	Source SourceKind
}

// datasetKind is the kind of a data set in key texts, events and records, and of its index
// artifact.
const datasetKind = "dataset"

// Package artifacts is a content-addressed store for what pipeline stages make.
//
// Two hashes carry the design, as in Go's own build cache. An action ID is the
// hash of a key text, the complete description of a repeatable computation. An
// output ID is the hash of a payload, the files that a computation made. The
// store remembers which action led to which output; two actions may lead to the
// same one, and since the keys of later stages are written with output IDs,
// identical outputs stop the ripple of a change.
//
//	s, err := artifacts.Open(".lfm")
//	action := artifacts.HashText(key)
//	a, err := s.Lookup(action)            // *Artifact, or a *Miss that says why
//	if errors.As(err, &miss) {
//		b, _ := s.Build("flow")            // a payload in the making, aside
//		b.WriteFile("weights.safetensors", weights)
//		b.Provenance("device", "cpu avx512")
//		a, err = b.Publish(action, key, inputs)
//	}
//	a.Path("weights.safetensors")
//
// There are only a few types: Store, Artifact (an immutable payload with its
// manifest), Builder (a payload in the making), Entry (what is remembered of an
// action), Workspace (where an unfinished stage keeps its checkpoints), Run (what
// one run saw) and Root (a pipeline file whose artifacts gc keeps). The store
// knows nothing of stages, tensors or images.
//
// # The directory
//
//	.lfm/
//	  README                    what this folder is, how to empty it
//	  FORMAT                    "lfm store 1"
//	  actions/<action>.json     Entry: key text, output ID, input IDs, previous output
//	  artifacts/<output>/       one payload; its files keep their names
//	    manifest.json           kind, files with size and digest, provenance, action, inputs, time
//	    suspect.txt             only if somebody doubts it: why; the next Lookup checks digests
//	  work/<action>/            the checkpoints of an unfinished stage; survives a kill
//	    BACKEND                 what they were computed on
//	  runs/<time>-<hex>/        run.json, events.jsonl: times, hosts, threads, resumptions
//	  roots/<hash>.json         a pipeline file that used this store, and the actions it last wanted
//	  locks/<name>.lock|.lease  who holds what; gone when free
//	  aside/                    payloads in the making, files about to be renamed, folders about to go
//	  cache/                    what others keep so as not to read or compute it again; may be lost at any time
//
// # Published whole or not at all
//
// A payload is written in aside/, every file synced; then the manifest, last; then
// one rename brings the folder to artifacts/; then the action's entry is renamed
// into place. A process killed anywhere in between leaves the action a miss, and
// something in aside/ for gc.
//
// # What survives
//
// A kill, at any call: everything published, and of an unfinished stage whatever has
// its final name in the work area. A power loss, at any call: the same. When Publish
// returns, payload, manifest and entry are on disk, and so is a checkpoint or a shard
// before what it replaces goes: bytes are synced before they get their name, and the
// folder of a new name before anything relies on it.
//
// A power loss may take the last lines of a run's events, and pictures in a work area,
// which are drawn again; and it may bring back what was just deleted, as garbage. A disk
// that fails a call, on the other hand, loses nothing: that is an error with the name of
// the file, and what was half written goes. What a process leaves behind that ended
// early (in aside/, its lock files, the work area of a stage that was just done) gc finds.
//
// An output ID is the hash of a text: the artifact kind, then name, size and
// SHA-256 of each file, sorted by name. Nothing else of the manifest enters it.
//
// # Damage
//
// Lookup compares the manifest with the output ID, and every file with its size.
// It compares digests only where the artifact is suspect: Verify marks what fails,
// and so may whoever trips over broken bytes (Suspect). A damaged artifact is a
// Miss with a reason; publishing the action again replaces it.
//
// # Processes
//
// Any number of processes may share a store. A stage that runs holds Lock by its
// action; a process that reads or makes artifacts holds Use, which Collect respects.
// Both are flock where a probe finds that it works, and free themselves when their
// process dies. Elsewhere, and under LFM_NO_FLOCK=1, they are lease files: stale when
// their process is known to be dead, or, if that cannot be known from here, when whoever
// wants the lock watched for two minutes and saw no heartbeat. A process that stood still
// for longer than that has lost its locks; Check tells, and Publish then refuses. All
// processes that share a store must use the same kind of lock. The methods of Store are
// safe for concurrent use.
package artifacts

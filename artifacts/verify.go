package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Verify reads every file of an artifact and compares digests. What fails only then is
// marked suspect, so that its actions become misses, as they are for what any Lookup
// sees; the error names the file and says what to do.
func (s *Store) Verify(ctx context.Context, output ID) error {
	var d *damage
	a, err := s.load(output)
	if err == nil {
		err = a.checkDigests(ctx)
		if err == nil {
			return s.trust(a)
		}
		if errors.As(err, &d) {
			if err := s.Suspect(output, d.Error()); err != nil {
				return err
			}
		}
	}
	switch {
	case errors.As(err, &d):
		return fmt.Errorf("artifacts: %s: %w: its stage will run again with the next 'lfm run'", output.Short(), d)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("artifacts: %s: not in the store", output.Short())
	}
	return fmt.Errorf("artifacts: %s: %w", output.Short(), err)
}

// Suspect marks an artifact whose bytes somebody tripped over: the next Lookup
// compares digests, and takes the mark away if they hold. A store that can only be read
// takes no mark.
func (s *Store) Suspect(output ID, why string) error {
	err := s.writeFile(s.path("artifacts", output.String(), suspectName), []byte(why+"\n"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !readOnly(err) {
		return fmt.Errorf("artifacts: mark %s: %w", output.Short(), err)
	}
	return nil
}

func (a *Artifact) suspect() bool {
	_, err := os.Lstat(a.Path(suspectName))
	return err == nil
}

// trust takes the mark away, if it can.
func (s *Store) trust(a *Artifact) error {
	if err := s.fs.Remove(a.Path(suspectName)); err != nil && !errors.Is(err, fs.ErrNotExist) && !readOnly(err) {
		return err
	}
	return nil
}

// List is every artifact, oldest first. One that is damaged or suspect has Damage
// set, and of one whose manifest cannot be read only the ID is known.
func (s *Store) List() ([]*Artifact, error) {
	ids, err := s.ids("artifacts", "")
	if err != nil {
		return nil, err
	}
	var list []*Artifact
	for _, id := range ids {
		a, err := s.load(id)
		if err != nil {
			m, ok := miss(id, "", err).(*Miss)
			if !ok {
				return nil, fmt.Errorf("artifacts: list: %w", err)
			}
			if a, err = s.readManifest(id); err != nil {
				a = &Artifact{ID: id, dir: s.path("artifacts", id.String())}
			}
			a.Damage = m.Reason
		} else if why, err := os.ReadFile(a.Path(suspectName)); err == nil {
			a.Damage = "suspect: " + strings.TrimSpace(string(why))
		}
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(x, y *Artifact) int { return x.Created.Compare(y.Created) })
	return list, nil
}

// ids lists the IDs that name the entries of a folder, sorted; other names are not ours.
func (s *Store) ids(folder, suffix string) ([]ID, error) {
	entries, err := os.ReadDir(s.path(folder))
	if err != nil {
		return nil, fmt.Errorf("artifacts: list %s: %w", folder, err)
	}
	var ids []ID
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if id, err := ParseID(name); ok && err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

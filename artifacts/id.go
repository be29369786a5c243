package artifacts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// An ID is a SHA-256. It names an action (the hash of its key text) or an output
// (the hash of its payload); in text and JSON it is 64 hexadecimal digits.
type ID [sha256.Size]byte

// HashText is the SHA-256 of text. The action ID of a computation is the HashText
// of its key text.
func HashText(text string) ID { return sha256.Sum256([]byte(text)) }

// ParseID reads what String wrote, and nothing else.
func ParseID(text string) (ID, error) {
	var id ID
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return ID{}, fmt.Errorf("artifacts: %q is no ID: want %d hexadecimal digits", text, 2*len(id))
	}
	copy(id[:], b)
	if id.String() != text {
		return ID{}, fmt.Errorf("artifacts: %q is no ID: want lower case", text)
	}
	return id, nil
}

// String is the ID in 64 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short is the ID's first 12 digits, for people.
func (id ID) Short() string { return id.String()[:12] }

// IsZero reports whether id is the zero ID, which names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText makes an ID a string in JSON.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(text []byte) error {
	got, err := ParseID(string(text))
	if err == nil {
		*id = got
	}
	return err
}

package ops

import "fmt"

// Check runs build and turns a panic of a constructor into an error, for sizes that come
// from outside of the program.
func Check(build func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return build()
}

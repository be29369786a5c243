// Command lfm trains and samples latent flow matching models from a folder of images.
//
// main.go is the way in; app.go the root command, its flags and exit codes; compose.go
// the composition root, the one file that knows all kinds of stages and back ends; every
// other file one command, cut in three: its options, its constructor, its run function.
package main

import "os"

func main() {
	os.Exit(Main(os.Args[1:], System()))
}

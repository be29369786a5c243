// Command lfm trains and samples latent flow matching models from a folder of images.
package main

func main() {}

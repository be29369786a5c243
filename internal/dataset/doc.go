// Package dataset finds images, lists them in an index, and reads them as numbers. Nobody else knows how an image file
// is read.
//
//	src, err := dataset.Open(cfg, dir, cacheDir)  // a Source: a path, or the built-in critters
//	id, err := src.Digest(ctx, tell)              // what the images are, without decoding one
//	err = src.Index(ctx, out, warn, tell)         // decodes each once and writes index.json
//	facts, err := dataset.ReadFacts(index)        // classes and numbers of images, at once
//	set, err := dataset.Load(index, src)          // a Set
//	err = set.Read(dst, i, flip)                  // dst (H, W, 3), values -1 … 1
//
// # What is a data set
//
// A source is the word critters, or a path to one of:
//
//	folder, .tar, .zip    cat/1.png dog/2.jpg …                 a folder a class; what lies deeper belongs to it
//	                      train/cat/1.png test/cat/2.png …      with a split: train and test, val or validation
//	                      1.png 2.png …                         one class
//	folder of IDX files   train-images-idx3-ubyte.gz …          as MNIST is distributed, .gz or not
//	folder of CIFAR-10    data_batch_1.bin … test_batch.bin     the binary version
//
// A single folder around all of it does not count. Without a split of its own, a set is split by a hash of each image's
// path: an image's side never depends on the others. An image's ID is its path in the source, with slashes; drawn and
// numbered images have IDs of the same form.
//
// PNG and JPEG are read, known by their content, whatever the colours: grey, palette, 16 bits and CMYK become 8-bit RGB
// without regard to colour profiles, transparency is laid upon the background, and a JPEG's EXIF orientation is
// honoured. An image that cannot be read is skipped: the index says which and why. Hidden files are not looked at.
//
// # Captions
//
// A file beside the images may say what they show, a row an image, as the metadata files of Hugging Face's imagefolder
// do: .jsonl with an object a line, or .csv or .tsv whose first line names the columns.
//
//	file_name,text,brightness
//	cat/1.png,a red cat on grass,0.7
//
// file_name is the image's ID, text (or caption) its caption; a column that is a number in the first row is a property,
// which every row must then have, and other columns are passed over. An image without a row is skipped. Captions and
// properties say the same of an image and of its mirror image, so that "left" and "right" in them, or a property x, need
// hflip to be off. The critters say what they are where captions is drawn. Images whose caption has a phrase of
// test_captions are test images: so what a model makes of words that it never saw together can be measured. class_words
// takes the classes from captions and not from folders: an image is of the first phrase that its caption has.
//
// # Fitting
//
//	crop   the middle square, resampled to the size by Lanczos
//	pad    centred on the background as it is; resampled only if it is larger than the size
//
// # The index
//
// index.json is a pure function of the images and the settings: no path of this machine and no time is in it.
//
//	{"format": "lfm dataset index 1", "origin", "size", "channels", "fit", "background", "classes": [name, …],
//	 "counts": {"train": [images of each class], "test": […]}, "skipped": [{"id", "reason"}, …],
//	 "labels": [class number of each image], "test": [numbers of the test images],
//	 "digests": "64 hexadecimal digits an image, end to end", "ids": [id, …]}
//
// Captions stand beside it in captions.json: {"format": "lfm captions 1", "properties": [name, …], "captions": [text,
// …], "values": [numbers of each image, end to end]}.
//
// Columns instead of records let 100,000 images load in a fraction of a second.
//
// # What is remembered
//
// The cache folder has two files a source. Both may be lost or damaged at any time: that costs time and nothing else.
//
// The memory of digests: a file is hashed once and then known by path, size, mtime, ctime and inode. A file that changed
// less than two seconds before a scan began could change again without a trace in its times, so it is not remembered by
// that scan (git's rule for racy entries). The memory is written every few seconds while files are hashed.
//
// The pictures: what became of each image, pixels or the reason why it is skipped, by the digest of its file. Indexing
// writes them and training reads them. So a file is decoded once; indexing that was killed goes on where it was; and an
// image that was indexed is trained on as it was then, or, if it has to be decoded again and its file changed meanwhile, is
// an error that names it. A picture takes 3 H W bytes on disk, up to 16 GiB a source; beyond that, and where the disk is
// full, images are decoded at every reading. Both files are touched when they are used;
// lfm artifacts gc takes what was not for 30 days.
//
// # Memory
//
// No pixels stay in memory, except IDX and CIFAR-10 files, which are held unpacked while they are indexed. An image more
// costs a process some 500 bytes while it indexes and some 130 while it trains or encodes, what the garbage collector has
// not yet come to included (make big). All decoders of a process together hold images of at most 8192 x 8192 pixels (20
// bytes each in the worst case, 1.3 GiB) and 512 MiB of files, whatever the files claim.
package dataset

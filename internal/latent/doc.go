// Package latent keeps the latents of a data set in Arrow IPC files, which any Arrow reader opens without us.
//
// There are three types: a [Writer] fills a folder shard by shard, a [Summary] says what is in it, and a [Set] is a
// folder opened for random access.
//
//	latents.json            shape, classes, counts, mean and std per channel, shards with their digests
//	part-00000.arrow        rows 0 … 4095
//	part-00001.arrow        rows 4096 … 8191
//	…
//
// A row is one picture, or one mirrored picture:
//
//	+------+----------------+------+----------------+---------------------------------+
//	| id   | split          | flip | label          | latent                          |
//	| utf8 | dictionary     | bool | dictionary     | fixed_size_list<float32>[h·w·C] |
//	|      | <int32, utf8>  |      | <int32, utf8>  | the raw mean, row-major (h,w,C) |
//	+------+----------------+------+----------------+---------------------------------+
//
// Where the data set has captions, two columns follow: caption (utf8), and properties (fixed_size_list<float32>[P]), whose
// names stand in latents.json; without properties the second is missing.
//
// No column has nulls. The label dictionary is the full class list in every shard, whether its rows show every class or
// not; the split dictionary is train, test. Readers find columns by name and pass over others. Schema metadata:
//
//	lfm.format = latents    lfm.version = 1    lfm.shape = 8x8x4    lfm.autoencoder, lfm.dataset = output IDs
//
// Bytes are a pure function of the rows: a shard always has 4,096 rows (the last one what is left), cut into record
// batches of at most 4 MiB of latents, so that neither writing nor reading needs more memory for more rows or larger
// latents.
//
// Latents are stored as the encoder made them; [Stats] turns them into the numbers of mean 0 and deviation 1 that the
// flow sees, and back.
//
// What comes from a file is checked before it is used: Arrow's metadata is a graph of offsets and lengths that the
// library follows blindly, so verify.go walks it first.
package latent

// Package disk is the file system as far as lfm changes it. Reading stays os's.
//
// What must outlive a kill or a power loss is written in one way: aside, synced, renamed,
// and then the folder synced, because a name is as volatile as the bytes until its folder
// is.
//
//	err := disk.MkdirAll(disk.OS, dir)            // durable: each new name's folder is synced
//	err = disk.Replace(disk.OS, aside, path, data)
//
//	d, err := disk.Create(disk.OS, aside, path)   // the same for what is too large for memory
//	defer d.Abort()
//	io.Copy(d, r)
//	err = d.Commit()
//
// An [FS] is the real file system, [OS], or one that fails on purpose (package disktest):
// with that, tests break every single call and see what is left.
package disk

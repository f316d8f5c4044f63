package tenant

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Load reads the document in a file.
func Load(path string) (*Document, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// LoadDir reads every *.yaml in a folder, sorted by name. It returns those that can be used, whatever is wrong with the
// others, which the error names.
func LoadDir(dir string) (docs []*Document, err error) {
	files, err := NewFolder(dir).Read()
	errs := []error{err}
	for _, f := range files {
		if f.Err != nil {
			errs = append(errs, f.Err)
			continue
		}
		docs = append(docs, f.Document)
	}
	if err == nil && len(files) == 0 {
		errs = append(errs, fmt.Errorf("%s holds no tenant: no file named *.yaml", dir))
	}
	return docs, errors.Join(errs...)
}

// File is a document in a folder.
type File struct {
	Path     string
	Tenant   string // also of a document that cannot be used, as far as it can be told; else empty
	Digest   string // of what stands in it
	Document *Document
	Err      error // why it cannot be used; with the path
}

// Folder reads the documents of a folder time and again, and parses only what is another than before. It is not safe for
// concurrent use.
type Folder struct {
	dir   string
	known map[string]File // by path, as they were parsed last
	named map[string]string
}

// NewFolder returns a folder of which nothing is known.
func NewFolder(dir string) *Folder { return &Folder{dir, map[string]File{}, map[string]string{}} }

// Read returns every *.yaml, sorted by name. Of two documents about one tenant neither can be used: nobody knows which one
// is meant. An error says that the folder cannot be read, which tells nothing of any tenant.
func (f *Folder) Read() ([]File, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("the folder of documents cannot be read: %w", err)
	}
	var files []File
	known, first := map[string]File{}, map[string]int{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".yaml") {
			continue
		}
		file, err := f.read(filepath.Join(f.dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) { // it went between the two looks
			continue
		}
		known[file.Path] = file
		if at, twice := first[file.Tenant]; file.Err == nil && twice {
			file.alreadyIn(files[at].Path)
			if files[at].Err == nil {
				files[at].alreadyIn(file.Path)
			}
		} else if file.Err == nil {
			first[file.Tenant] = len(files)
		}
		files = append(files, file)
	}
	f.known = known
	return files, nil
}

func (f *File) alreadyIn(path string) {
	f.Document, f.Err = nil, fmt.Errorf("%s: tenant %s is already in %s", f.Path, f.Tenant, path)
}

// read returns a file; the error is that of a file which is in it too.
func (f *Folder) read(path string) (File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return File{Path: path, Tenant: f.named[path], Err: err}, err
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	if known, ok := f.known[path]; ok && known.Digest == digest {
		return known, nil
	}
	file := File{Path: path, Digest: digest}
	if file.Document, err = Parse(data); err != nil {
		file.Document, file.Err, file.Tenant = nil, fmt.Errorf("%s: %w", path, err), f.named[path]
		if m := tenantLine.FindSubmatch(data); m != nil {
			file.Tenant = string(m[1])
		}
		return file, nil
	}
	file.Tenant = file.Document.Tenant
	f.named[path] = file.Tenant
	return file, nil
}

// tenantLine is the line that names the tenant, in a document that is broken elsewhere.
var tenantLine = regexp.MustCompile(`(?m)^tenant:[ \t]*["']?([a-z0-9]+(?:-[a-z0-9]+)*)["']?[ \t]*(?:#.*)?\r?$`)

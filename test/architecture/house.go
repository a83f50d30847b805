// Package architecture holds netchecker's packages against the tables of
// docs/architecture.md: which packages there are, and which way their imports
// run. What the tables say is read from them, and said nowhere else.
package architecture

import (
	"fmt"
	"slices"
	"strings"
)

// House is what the tables say.
type House struct {
	Rooms []Room
}

// Room is one table: server, agent or pkg.
type Room struct {
	Name string
	// Packages are paths below the module's, top to bottom: each may import those
	// after it.
	Packages []string
}

// shared is the room whose packages all others may import, and which imports
// from no other.
const shared = "pkg"

// Parse reads the tables whose head's first cell is "ROOM/ (top to bottom)". A
// row's first cell is the package's path in backquotes.
func Parse(markdown string) (House, error) {
	var house House
	inTable := false
	for _, line := range strings.Split(markdown, "\n") {
		cell, isRow := firstCell(line)
		if !isRow {
			inTable = false
			continue
		}
		if room, isHead := strings.CutSuffix(cell, "/ (top to bottom)"); isHead {
			inTable = true
			house.Rooms = append(house.Rooms, Room{Name: room})
			continue
		}
		if !inTable || strings.Trim(cell, "-: ") == "" {
			continue
		}
		room := &house.Rooms[len(house.Rooms)-1]
		path := strings.Trim(cell, "`")
		if path == cell || roomOf(path) != room.Name {
			return House{}, fmt.Errorf("row %q in the table of %s/: it should begin with a package of that room, in backquotes", cell, room.Name)
		}
		if slices.Contains(room.Packages, path) {
			return House{}, fmt.Errorf("%s has two rows", path)
		}
		room.Packages = append(room.Packages, path)
	}
	if len(house.Rooms) == 0 {
		return House{}, fmt.Errorf("there is no table whose head is \"ROOM/ (top to bottom)\"")
	}
	return house, nil
}

func firstCell(line string) (string, bool) {
	rest, isRow := strings.CutPrefix(strings.TrimSpace(line), "|")
	cell, _, _ := strings.Cut(rest, "|")
	return strings.TrimSpace(cell), isRow
}

func roomOf(path string) string {
	room, _, _ := strings.Cut(path, "/")
	return room
}

// place finds path: its room's name and how far down it stands there.
func (h House) place(path string) (room string, depth int, found bool) {
	for _, r := range h.Rooms {
		if depth := slices.Index(r.Packages, path); depth >= 0 {
			return r.Name, depth, true
		}
	}
	return "", 0, false
}

// Imports has, for each package, what it imports itself: packages of netchecker
// by their path below the module's, all others by their import path.
type Imports map[string][]string

// Reserved is a library that only some packages may import.
type Reserved struct {
	// Name is what people call it.
	Name string
	// Prefix begins its packages' import paths.
	Prefix string
	// For are the packages that may import it.
	For []string
}

// Check returns what in imports is not as the house allows, one sentence for
// each arrow and each package without a row, in order.
func Check(house House, reserved []Reserved, imports Imports) []string {
	var wrong []string
	for from, all := range imports {
		if _, _, ok := house.place(from); !ok {
			wrong = append(wrong, fmt.Sprintf("%s has no row", from))
			continue
		}
		for _, to := range all {
			if why := house.forbids(from, to, imports, reserved); why != "" {
				wrong = append(wrong, fmt.Sprintf("%s → %s: %s", from, to, why))
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

// Missing returns the rows that have no package in imports, top to bottom.
func Missing(house House, imports Imports) []string {
	var missing []string
	for _, room := range house.Rooms {
		for _, path := range room.Packages {
			if _, ok := imports[path]; !ok {
				missing = append(missing, path)
			}
		}
	}
	return missing
}

// forbids says why from may not import to, or nothing where it may.
func (h House) forbids(from, to string, imports Imports, reserved []Reserved) string {
	if _, own := imports[to]; !own {
		return forbiddenLibrary(from, to, reserved)
	}
	fromRoom, fromDepth, _ := h.place(from)
	toRoom, toDepth, ok := h.place(to)
	switch {
	case !ok:
		return "the package imported has no row"
	case fromRoom == toRoom && toDepth <= fromDepth:
		return "the arrow runs up, its row should stand below"
	case fromRoom == toRoom, toRoom == shared:
		return ""
	case fromRoom == shared:
		return shared + " imports no other room"
	default:
		return fmt.Sprintf("%s and %s meet in %s alone", fromRoom, toRoom, shared)
	}
}

func forbiddenLibrary(from, to string, reserved []Reserved) string {
	for _, r := range reserved {
		within := to == r.Prefix || strings.HasPrefix(to, r.Prefix+"/")
		if within && !slices.Contains(r.For, from) {
			return fmt.Sprintf("%s is for %s alone", r.Name, strings.Join(r.For, ", "))
		}
	}
	return ""
}

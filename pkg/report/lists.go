package report

import "fmt"

// entries reads an object whose keys are the sender's choice, at most most of
// them, or null. value must consume the value of one key; n says how many keys
// there are.
func (d *decoder) entries(most int, value func(key string) (n int, err error)) error {
	return d.object(func(key text) error {
		var buf [128]byte
		said, ok := key.bytes(buf[:])
		if !ok {
			return bad("has a key that is too long; it should have at most %d bytes", MaxString)
		}
		if err := d.count(); err != nil {
			return atKey(key, err)
		}
		n, err := value(string(said))
		if err != nil {
			return atKey(key, err)
		}
		if n > most {
			return bad("has too many entries; it should have at most %d", most)
		}
		return nil
	})
}

// readLists reads an object of arrays of strings, each of which may be null.
func (d *decoder) readLists() (map[string][]string, error) {
	if d.null() {
		return nil, nil
	}
	m := map[string][]string{}
	err := d.entries(MaxEntries, func(key string) (_ int, err error) {
		m[key], err = d.readStrings()
		return len(m), err
	})
	return m, err
}

// readTopics reads an object of strings, or null.
func (d *decoder) readTopics() (map[string]string, error) {
	if d.null() {
		return nil, nil
	}
	m := map[string]string{}
	err := d.entries(MaxTopics, func(key string) (_ int, err error) {
		m[key], err = d.readString()
		return len(m), err
	})
	return m, err
}

// readStrings reads an array of strings, or null. The list is made when its
// length is known, since records are kept by the ten thousands.
func (d *decoder) readStrings() ([]string, error) {
	if d.null() {
		return nil, nil
	}
	var buf [8]string
	list := buf[:0]
	err := d.elements(MaxValues, func() error {
		v, err := d.readString()
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	kept := make([]string, len(list))
	copy(kept, list)
	return kept, nil
}

// readProbes reads an array of probe results, or null.
func (d *decoder) readProbes() ([]ProbeResult, error) {
	if d.null() {
		return nil, nil
	}
	list := []ProbeResult{}
	var p ProbeResult
	fields := p.fields() // one table for all of them
	err := d.elements(MaxProbes, func() (err error) {
		p = ProbeResult{}
		if !d.null() {
			err = d.members(fields[:])
		}
		list = append(list, p)
		return err
	})
	return list, err
}

// elements reads an array of at most most elements; element must consume one.
func (d *decoder) elements(most int, element func() error) error {
	return d.array(func(i int) error {
		if i >= most {
			return bad("has too many elements; it should have at most %d", most)
		}
		err := d.count()
		if err == nil {
			err = element()
		}
		if err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
		return nil
	})
}

// readNews reads an object of news by topic, or null. Of a repeated topic the
// last wins.
func (d *decoder) readNews() (list []News, err error) {
	if d.null() {
		return nil, nil
	}
	err = d.entries(MaxTopics, func(topic string) (int, error) {
		n := News{Topic: topic}
		fields := n.fields()
		if !d.null() {
			if err := d.members(fields[:]); err != nil {
				return 0, err
			}
		}
		list = with(list, n)
		return len(list), nil
	})
	return list, err
}

// with is list with n in the place of the news of its topic, or at the end.
func with(list []News, n News) []News {
	for i := range list {
		if list[i].Topic == n.Topic {
			list[i] = n
			return list
		}
	}
	return append(list, n)
}

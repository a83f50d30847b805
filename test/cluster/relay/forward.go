package main

import (
	"errors"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// frame is what one read of a TAP device gives, with when it is to leave.
type frame struct {
	bytes []byte
	due   time.Time
}

const (
	// longest is the size of any frame, with room for tags.
	longest = 9 << 10
	// waiting is how many frames may be on their way; more are lost, as in any queue.
	waiting = 4096
)

// forward writes each frame of in to out, delay after it came and in that order,
// until in ends.
func forward(in io.Reader, out io.Writer, delay time.Duration) error {
	queue, written := make(chan frame, waiting), make(chan error, 1)
	go func() { written <- leave(queue, out) }()
	err := arrive(in, queue, delay)
	close(queue)
	return errors.Join(err, <-written)
}

func arrive(in io.Reader, queue chan<- frame, delay time.Duration) error {
	buffer := make([]byte, longest)
	for {
		n, err := in.Read(buffer)
		if n > 0 {
			select {
			case queue <- frame{slices.Clone(buffer[:n]), time.Now().Add(delay)}:
			default:
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, unix.EBADFD):
			// The device is down still, and has nothing to give.
			time.Sleep(10 * time.Millisecond)
		case err != nil:
			return err
		}
	}
}

func leave(queue <-chan frame, out io.Writer) error {
	for f := range queue {
		time.Sleep(time.Until(f.due))
		// A device that is down loses what it is given.
		if _, err := out.Write(f.bytes); err != nil && !errors.Is(err, unix.EIO) {
			return err
		}
	}
	return nil
}

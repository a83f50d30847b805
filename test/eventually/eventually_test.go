package eventually_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
)

// failure is what a test would have come to.
type failure struct {
	testing.TB
	text string
}

func (f *failure) Fatalf(format string, args ...any) { f.text = fmt.Sprintf(format, args...) }

func TestItReturnsAsSoonAsThereIsNoError(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ after, most time.Duration }{
		{0, 0},
		{10 * time.Millisecond, 12 * time.Millisecond},
		{time.Second, 1100 * time.Millisecond},
		{30 * time.Second, 30*time.Second + 200*time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			eventually.Nil(t, func() error {
				if time.Since(begun) < row.after {
					return errors.New("not yet")
				}
				return nil
			})
			if took := time.Since(begun); took < row.after || took > row.most {
				t.Errorf("what is so after %v is seen after %v, want %v at most", row.after, took, row.most)
			}
		})
	}
}

func TestWhatNeverComesFailsTheTestWithTheLastError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, asked, begun := &failure{TB: t}, 0, time.Now()
		eventually.Within(f, 3*time.Second, func() error {
			asked++
			return fmt.Errorf("refused %t", asked > 1)
		})
		if f.text != "after 3s not yet: refused true" {
			t.Errorf("it fails with %q", f.text)
		}
		if took := time.Since(begun); took < 3*time.Second || took > 3200*time.Millisecond {
			t.Errorf("it fails after %v", took)
		}
		if asked > 80 {
			t.Errorf("it asks %d times in 3 s", asked)
		}
	})
}

func TestWhatIsNeverTrueFailsTheTestWithItsName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &failure{TB: t}
		eventually.True(f, "the server leads", func() bool { return false })
		if f.text != "after 40s not yet: the server leads" {
			t.Errorf("it fails with %q", f.text)
		}
		eventually.True(t, "it is so at once", func() bool { return true })
	})
}

package embedded

import (
	"bytes"
	"sync/atomic"

	"github.com/golang/glog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger gives etcd's errors to glog as errors, and the rest, which is much,
// at verbosity 4; so it does with errors once etcd is closing, which then are of
// listeners that were closed on purpose.
func newLogger(closing *atomic.Bool) *zap.Logger {
	encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{
		MessageKey: "msg", NameKey: "logger", ConsoleSeparator: " ",
		EncodeDuration: zapcore.StringDurationEncoder,
	})
	isGrave := func(l zapcore.Level) bool { return l >= zapcore.ErrorLevel && !closing.Load() }
	grave := zap.LevelEnablerFunc(isGrave)
	rest := zap.LevelEnablerFunc(func(l zapcore.Level) bool { return !isGrave(l) && bool(glog.V(4)) })
	return zap.New(zapcore.NewTee(
		zapcore.NewCore(encoder, lines(func(text string) { glog.Error("etcd: ", text) }), grave),
		zapcore.NewCore(encoder, lines(func(text string) { glog.Info("etcd: ", text) }), rest),
	))
}

// lines is called with each entry of the log.
type lines func(text string)

func (l lines) Write(entry []byte) (int, error) {
	l(string(bytes.TrimRight(entry, "\n")))
	return len(entry), nil
}

func (l lines) Sync() error {
	glog.Flush()
	return nil
}

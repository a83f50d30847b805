package embedded

import (
	"strings"

	"github.com/golang/glog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logger passes etcd's log on to glog: errors as errors, the rest with -v=2 and
// more.
func logger() *zap.Logger {
	level := zapcore.ErrorLevel
	if glog.V(2) {
		level = zapcore.InfoLevel
	}
	encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{
		MessageKey: "message", LevelKey: "level", EncodeLevel: zapcore.LowercaseLevelEncoder,
		EncodeTime: zapcore.EpochTimeEncoder, EncodeDuration: zapcore.StringDurationEncoder,
	})
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(toGlog{}), level))
}

type toGlog struct{}

func (toGlog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if strings.HasPrefix(text, "info") || strings.HasPrefix(text, "warn") {
		glog.Infof("etcd: %s", text)
	} else {
		glog.Errorf("etcd: %s", text)
	}
	return len(line), nil
}

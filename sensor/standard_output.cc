#include "sensor/standard_output.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

#include "common/fd.h"
#include "common/result.h"

namespace parallax::sensor {
namespace {

constexpr size_t kWriteAt = size_t{1} << 18;  // bytes
constexpr size_t kPage = 4096;                // a pipe that is writable takes so much at once
constexpr int kStuckReaderMillis = 1000;

std::atomic<bool> g_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void OnSignal(int) { g_stop.store(true, std::memory_order_relaxed); }

}  // namespace

void CatchSignals() {
  g_stop = false;
  struct sigaction action {};
  action.sa_handler = OnSignal;  // no SA_RESTART: a blocking read of a pipe ends too
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool Interrupted() { return g_stop.load(std::memory_order_relaxed); }
void Interrupt() { g_stop.store(true, std::memory_order_relaxed); }

bool StandardOutput::large() const { return text_.size() >= kWriteAt; }

void StandardOutput::Flush() {
  for (size_t at = 0; at < text_.size() && error_ == 0;) {
    size_t size = text_.size() - at;
    if (Interrupted()) {
      // We are to stop: whoever reads gets a second for each page, or counts as gone.
      pollfd writable{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
      if (poll(&writable, 1, kStuckReaderMillis) <= 0) {
        error_ = EPIPE;
        break;
      }
      size = std::min(size, kPage);
    }
    const ssize_t written = write(STDOUT_FILENO, text_.data() + at, size);
    if (written >= 0) {
      at += static_cast<size_t>(written);
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
  text_.clear();
}

int PrintAnswer(std::string text, int exit_code) {
  StandardOutput output;
  output.text() = std::move(text);
  output.Flush();
  return output.broken()
             ? ReportFailure("parallax-sensor",
                             ErrnoError("cannot write to standard output", output.error()))
             : exit_code;
}

}  // namespace parallax::sensor

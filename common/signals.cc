#include "common/signals.h"

#include <csignal>
#include <cstddef>

namespace parallax {
namespace {

sigset_t DaemonSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

void BlockDaemonSignals() {
  const sigset_t set = DaemonSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int WaitForTermination(const std::function<void()>& reload) {
  const sigset_t set = DaemonSignals();
  while (true) {
    int number = 0;
    if (sigwait(&set, &number) != 0) {
      continue;
    }
    if (number != SIGHUP) {
      return number;
    }
    if (reload) {
      reload();
    }
  }
}

}  // namespace parallax

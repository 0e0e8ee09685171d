// Standard output of the commands, and the signals that end them. One thread.
#pragma once

#include <string>

namespace parallax::sensor {

// From here on SIGINT and SIGTERM make Interrupted() true and end blocking calls; SIGPIPE is an
// error of write().
void CatchSignals();
bool Interrupted();
// As if a signal had come.
void Interrupt();

// Standard output in large writes. After an error nothing more is written.
class StandardOutput {
 public:
  std::string& text() { return text_; }  // what is to be written
  bool large() const;                    // it is time to write
  void FlushIfLarge() {
    if (large()) {
      Flush();
    }
  }
  void Flush();
  bool broken() const { return error_ != 0; }
  int error() const { return error_; }  // errno; EPIPE: nobody reads any more

 private:
  std::string text_;
  int error_ = 0;
};

// All that a command has to say: `exit_code`, or that of the failure to write it, which is
// reported.
int PrintAnswer(std::string text, int exit_code);

}  // namespace parallax::sensor

// One stream to one address of the collector, from dial to end:
//
//   dialling --connected--> greeting --Welcome--> live --stop--> leaving (what is left, Goodbye)
//
// and from everywhere to the end when the stream breaks. A blocking write is the backpressure: when
// the collector does not read, the spool grows. Run's thread writes; one thread reads; one thread
// breaks the stream off when a stop takes longer than kGoodbyeTimeout.
#pragma once

#include <grpcpp/client_context.h>

#include <atomic>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "parallax/v1/link.grpc.pb.h"
#include "sensor/link/convert.h"
#include "sensor/link/legacy_numbers.h"
#include "sensor/link/link_client.h"
#include "sensor/link/outbox.h"

namespace parallax::sensor {

class LinkStream {
 public:
  struct Ending {
    bool welcomed = false;  // the collector accepted us
    bool renewed = false;   // our certificate is another one: come again with it
    std::string why;
  };

  // All that is passed in must outlive the stream. After `stop` was requested, the spool must be
  // woken once.
  LinkStream(const HostPort& address, const LinkOptions& options, Spool& spool,
             LegacyNumbers& legacy, std::atomic<bool>& connected,
             const std::function<SensorHealth()>& health,
             const std::function<void(Order)>& on_order, std::stop_token stop);

  // Once per object.
  Ending Run();

 private:
  using Stream = grpc::ClientReaderWriter<v1::FromSensor, v1::ToSensor>;

  bool Connect();
  std::string WhyNotConnected();
  // Breaks off what blocks, some time after a stop. Ends when `over` is requested.
  void Watch(const std::stop_token& over);
  v1::FromSensor Hello() const;
  void ReadAll();
  void Take(const v1::Welcome& welcome);
  void AcknowledgeLegacy(uint64_t number);
  // Return false when the stream is broken.
  bool WriteAll();
  bool SendHealth();
  // Tells the collector what we go by, if it wants to know and has not heard.
  bool SendIdentity();
  // Sends the next records, if any come within `wait` and the window is open; `sent` says how many.
  bool SendRecords(Duration wait, size_t& sent);
  bool SendChunk(const Outbox::Pick& pick, const Spool::Chunk& chunk);
  // What was numbered for an older collector on an earlier stream keeps its numbers.
  bool SendAgain();

  const HostPort& address_;
  const LinkOptions& options_;
  Spool& spool_;
  LegacyNumbers& legacy_;
  std::atomic<bool>& connected_;  // set once the collector has said welcome
  const std::function<SensorHealth()>& health_;
  const std::function<void(Order)>& on_order_;
  const std::stop_token stop_;

  const std::shared_ptr<const TlsIdentity> identity_;  // what we dialled with
  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  std::unique_ptr<Stream> stream_;
  std::atomic<bool> welcomed_ = false;
  std::atomic<uint32_t> protocol_ = 0;  // once welcomed
  std::atomic<bool> wants_identity_ = false;
  std::atomic<bool> ended_ = false;  // nothing more comes from the collector

  // The writing thread's.
  v1::FromSensor message_;
  Outbox outbox_;
  bool no_welcome_ = false;
  bool renewed_ = false;
  uint64_t told_identity_ = 0;  // its version
};

}  // namespace parallax::sensor

#include "common/tls_dial.h"

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/fd.h"
#include "common/openssl.h"

namespace parallax {
namespace {

using Context = std::unique_ptr<SSL_CTX, openssl::Deleter<SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, openssl::Deleter<SSL_free>>;

// The library writes to sockets that may be closed at the other end: an error, and not the end of
// the process. For this thread, while it lives; a signal that comes of it is taken.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoPipeSignal() {
    if (sigismember(&before_, SIGPIPE) == 0) {
      constexpr timespec kAtOnce{};
      sigtimedwait(&pipe_, nullptr, &kAtOnce);
      pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
};

constexpr std::array<unsigned char, 3> kHttp2 = {2, 'h', '2'};

// False: the files do not hold what LoadTlsIdentity found in them.
bool Use(SSL_CTX* context, const TlsIdentity& identity) {
  const openssl::Bio roots = openssl::OpenPem(identity.ca_pem);
  bool any = false;
  while (const openssl::Certificate root = openssl::ReadCertificate(roots.get())) {
    any |= X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root.get()) == 1;
  }
  const openssl::Bio chain = openssl::OpenPem(identity.certificate_pem);
  const openssl::Certificate own = openssl::ReadCertificate(chain.get());
  if (!any || !own || SSL_CTX_use_certificate(context, own.get()) != 1) {
    return false;
  }
  while (const openssl::Certificate next = openssl::ReadCertificate(chain.get())) {
    SSL_CTX_add1_chain_cert(context, next.get());
  }
  const openssl::Key key = openssl::ReadPrivateKey(identity.key_pem);
  return key && SSL_CTX_use_PrivateKey(context, key.get()) == 1;
}

// What the library has to say of the last call.
std::string Reason(const SSL* connection, int error, int error_number) {
  const long verified = SSL_get_verify_result(connection);
  if (verified != X509_V_OK) {
    return fmt::format("its certificate is not right: {}", X509_verify_cert_error_string(verified));
  }
  if (const char* reason = ERR_reason_error_string(ERR_peek_error())) {
    return fmt::format("it says: {}", reason);
  }
  if (error == SSL_ERROR_SYSCALL && error_number != 0) {
    return std::strerror(error_number);
  }
  return "it closed the connection";
}

// Waits as the library wants it to; false: the deadline has passed, or the call has failed.
bool Wait(int fd, int error, MonoTime deadline) {
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
    return false;
  }
  return PollUntil(fd, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline);
}

// Calls until it is done; empty, or why it is not.
template <typename Call>
std::string Finish(SSL* connection, int fd, MonoTime deadline, Call call) {
  while (true) {
    ERR_clear_error();
    errno = 0;
    const int done = call();
    const int error_number = errno;
    if (done > 0) {
      return {};
    }
    const int error = SSL_get_error(connection, done);
    if (Wait(fd, error, deadline)) {
      continue;
    }
    const bool waiting = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    return waiting ? "no answer in time" : Reason(connection, error, error_number);
  }
}

}  // namespace

TlsDialResult DialTls(int fd, const TlsIdentity& identity, MonoTime deadline) {
  const NoPipeSignal no_signal;
  const openssl::ErrorQueueGuard guard;
  TlsDialResult result;
  const Context context(SSL_CTX_new(TLS_client_method()));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1 ||
      !Use(context.get(), identity)) {
    result.problem = "this sensor's own files cannot be used";
    return result;
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const Connection connection(SSL_new(context.get()));
  std::string name(kCollectorDnsName);
  if (!connection || SSL_set1_host(connection.get(), name.c_str()) != 1 ||
      // As the macro SSL_set_tlsext_host_name does, with a cast that we forbid ourselves.
      SSL_ctrl(connection.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
               name.data()) != 1 ||
      SSL_set_alpn_protos(connection.get(), kHttp2.data(), kHttp2.size()) != 0 ||
      SSL_set_fd(connection.get(), fd) != 1) {
    result.problem = "no handshake could be begun";
    return result;
  }
  const MonoTime began = Now().mono;
  result.problem =
      Finish(connection.get(), fd, deadline, [&] { return SSL_connect(connection.get()); });
  result.handshake_in = Now().mono - began;
  result.shaken_hands = result.problem.empty();
  if (result.shaken_hands) {
    std::array<char, 64> first;
    result.problem = Finish(connection.get(), fd, deadline, [&] {
      return SSL_read(connection.get(), first.data(), static_cast<int>(first.size()));
    });
    result.accepted = result.problem.empty();
  }
  return result;
}

}  // namespace parallax

// What a question to an upstream costs us: CPU of this process per question, over UDP, TCP and TLS.
// The responder is another process, so that its CPU is not counted; it answers each question with
// one A record.
//
//   bench_dns_upstreams [QUESTIONS] [AT_A_TIME]
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"
#include "dns/upstreams.hpp"

using namespace culvert;

namespace {

enum class Kind { udp, tcp, tls };

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Turns a query into an answer in place; returns its size.
std::size_t to_answer(unsigned char* message) {
  std::size_t end = 12;
  while (message[end] != 0) end += 1u + message[end];
  end += 5;
  message[2] = 0x81, message[3] = 0x80;
  std::memset(message + 6, 0, 6);
  message[7] = 1;
  constexpr unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1};
  std::memcpy(message + end, record, sizeof record);
  return end + sizeof record;
}

void respond_udp(int fd) {
  std::array<unsigned char, 4096> message;
  for (;;) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    if (::recvfrom(fd, message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&from),
                   &size) < 12)
      continue;
    const std::size_t n = to_answer(message.data());
    ::sendto(fd, message.data(), n, 0, reinterpret_cast<const sockaddr*>(&from), size);
  }
}

// What came, answered frame by frame; the rest stays.
void answer_frames(std::vector<unsigned char>& in, std::vector<unsigned char>& out) {
  std::size_t at = 0;
  while (in.size() - at >= 2) {
    const std::size_t size = std::size_t(in[at] << 8 | in[at + 1]);
    if (in.size() - at < 2 + size) break;
    unsigned char message[1024];
    std::memcpy(message, in.data() + at + 2, size);
    const std::size_t n = to_answer(message);
    out.push_back(static_cast<unsigned char>(n >> 8));
    out.push_back(static_cast<unsigned char>(n & 0xff));
    out.insert(out.end(), message, message + n);
    at += 2 + size;
  }
  in.erase(in.begin(), in.begin() + std::ptrdiff_t(at));
}

SSL_CTX* server_context() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  return context;
}

std::string pin_of(SSL_CTX* context) {
  unsigned char* der = nullptr;
  X509* const certificate = SSL_CTX_get0_certificate(context);
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  std::array<unsigned char, 32> digest;
  EVP_Digest(der, std::size_t(size), digest.data(), nullptr, EVP_sha256(), nullptr);
  std::array<unsigned char, 64> text{};
  EVP_EncodeBlock(text.data(), digest.data(), int(digest.size()));
  return reinterpret_cast<const char*>(text.data());
}

// One connection after another; the bench has one of each.
void respond_stream(int listener, SSL_CTX* tls) {
  for (;;) {
    const int fd = ::accept(listener, nullptr, nullptr);
    SSL* const ssl = tls != nullptr ? SSL_new(tls) : nullptr;
    if (ssl != nullptr) SSL_set_fd(ssl, fd), SSL_accept(ssl);
    std::vector<unsigned char> in, out;
    std::array<unsigned char, 65536> buffer;
    for (;;) {
      const ssize_t n = ssl != nullptr ? SSL_read(ssl, buffer.data(), int(buffer.size()))
                                       : ::read(fd, buffer.data(), buffer.size());
      if (n <= 0) break;
      in.insert(in.end(), buffer.begin(), buffer.begin() + n);
      answer_frames(in, out);
      if (out.empty()) continue;
      if (ssl != nullptr)
        SSL_write(ssl, out.data(), int(out.size()));
      else if (::send(fd, out.data(), out.size(), MSG_NOSIGNAL) < 0)
        break;
      out.clear();
    }
    SSL_free(ssl);
    ::close(fd);
  }
}

struct Responder {
  std::string upstream;
  pid_t pid = 0;
  explicit Responder(Kind kind) {
    const base::FileDescriptor fd(
        ::socket(AF_INET, kind == Kind::udp ? SOCK_DGRAM : SOCK_STREAM, 0));
    sockaddr_storage address{};
    base::Endpoint here{*base::IpAddress::parse("127.0.0.1"), 0};
    socklen_t size = here.to_sockaddr(address);
    ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size);
    if (kind != Kind::udp) ::listen(fd.get(), 16);
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    const std::string text = base::Endpoint::from_sockaddr(address).to_string();
    SSL_CTX* const tls = kind == Kind::tls ? server_context() : nullptr;
    upstream = kind == Kind::udp   ? text
               : kind == Kind::tcp ? "tcp://" + text
                                   : "tls://" + text + "#sha256/" + pin_of(tls);
    pid = ::fork();
    if (pid != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (kind == Kind::udp)
      respond_udp(fd.get());
    else
      respond_stream(fd.get(), tls);
  }
  ~Responder() {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
};

class Client {
 public:
  Client(const std::string& upstream, unsigned at_a_time)
      : at_a_time_(at_a_time),
        upstreams_({io_,
                    poller_,
                    random_,
                    &trust_,
                    counters_,
                    {},
                    {},
                    [] { return base::BootClock::now(); }},
                   settings(upstream)) {}

  // Returns how many were answered.
  unsigned run(unsigned questions) {
    left_ = questions, answered_ = failed_ = under_way_ = 0;
    while (under_way_ < at_a_time_ && left_ > 0) ask();
    while (answered_ + failed_ < questions) {
      upstreams_.flush();
      poller_.arm();
      io_.restart();  // it stops whenever the poller was its only work
      io_.run_one_for(std::chrono::milliseconds(100));
      const base::Time now = base::BootClock::now();
      if (upstreams_.next_deadline() <= now) upstreams_.tick(now);
    }
    return answered_;
  }

 private:
  static dns::Settings settings(const std::string& upstream) {
    dns::Settings settings;
    settings.upstream = {upstream};
    return settings;
  }
  void ask() {
    --left_, ++under_way_;
    dns::Asking::Ask what;
    what.name = &name_, what.type = dns::type::a;
    upstreams_.ask(what, [this](const dns::Asking::Reply& reply) {
      --under_way_;
      ++(reply.message.empty() ? failed_ : answered_);
      if (left_ > 0) ask();
    });
  }

  unsigned at_a_time_, left_ = 0, answered_ = 0, failed_ = 0, under_way_ = 0;
  const dns::Name name_ = *dns::Name::parse("www.example.com");
  boost::asio::io_context io_{1};
  base::SocketPoller poller_{io_};
  base::SystemRandom random_;
  dns::TrustStore trust_;
  std::array<dns::UpstreamCounters, dns::max_upstreams> counters_;
  dns::Upstreams upstreams_;
};

// The same system calls and nothing else: the floor of what a fresh socket per question can cost.
double bare_socket_us(unsigned rounds) {
  const base::FileDescriptor sink(::socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_storage to{};
  socklen_t size = base::Endpoint{*base::IpAddress::parse("127.0.0.1"), 0}.to_sockaddr(to);
  ::bind(sink.get(), reinterpret_cast<const sockaddr*>(&to), size);
  ::getsockname(sink.get(), reinterpret_cast<sockaddr*>(&to), &size);
  const int epoll = ::epoll_create1(0);
  std::array<char, 512> message{};
  const double before = cpu_seconds();
  for (unsigned i = 0; i < rounds; ++i) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_storage from{};
    const auto port = std::uint16_t(1024 + (i * 7919) % 60000);
    const socklen_t from_size =
        base::Endpoint{base::IpAddress::any(base::IpAddress::Family::v4), port}.to_sockaddr(from);
    ::bind(fd, reinterpret_cast<const sockaddr*>(&from), from_size);
    ::connect(fd, reinterpret_cast<const sockaddr*>(&to), size);
    epoll_event event{};
    event.events = EPOLLIN;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    ::send(fd, message.data(), 44, 0);
    ::recv(fd, message.data(), message.size(), 0);  // EAGAIN
    ::close(fd);
    ::recv(sink.get(), message.data(), message.size(), MSG_DONTWAIT);
  }
  ::close(epoll);
  return (cpu_seconds() - before) / rounds * 1e6;
}

}  // namespace

int main(int count, char** arguments) {
  const unsigned questions = count > 1 ? unsigned(std::atoi(arguments[1])) : 200'000;
  const unsigned at_a_time = count > 2 ? unsigned(std::atoi(arguments[2])) : 64;
  const std::pair<Kind, const char*> kinds[] = {
      {Kind::udp, "udp"}, {Kind::tcp, "tcp"}, {Kind::tls, "tls"}};
  for (const auto& [kind, name] : kinds) {
    const Responder responder(kind);
    Client client(responder.upstream, at_a_time);
    client.run(questions / 10);
    const double before = cpu_seconds();
    const base::Time began = base::BootClock::now();
    const unsigned answered = client.run(questions);
    const double cpu = cpu_seconds() - before;
    const double wall = std::chrono::duration<double>(base::BootClock::now() - began).count();
    std::printf("%s: %.2f us of CPU a question, %u of %u answered, %.0f a second\n", name,
                cpu / questions * 1e6, answered, questions, questions / wall);
  }
  std::printf("bare system calls of a question over UDP: %.2f us\n", bare_socket_us(questions));
}

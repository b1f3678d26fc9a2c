#include "relay/relay.hpp"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace culvert::relay {
namespace {

constexpr std::size_t batch_size = 64;
constexpr std::size_t largest = 65536;
constexpr int socket_buffer = 16 << 20;

Descriptor udp_socket(int family) {
  Descriptor made{socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (made.get() < 0) throw std::system_error(errno, std::generic_category(), "socket");
  for (const int option : {SO_RCVBUFFORCE, SO_RCVBUF, SO_SNDBUFFORCE, SO_SNDBUF}) {
    // The forced forms need a right; where they fail the plain ones do what the system allows.
    static_cast<void>(
        setsockopt(made.get(), SOL_SOCKET, option, &socket_buffer, sizeof socket_buffer));
  }
  return made;
}

const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.storage);
}

// Buffers for one recvmmsg. `take` gets every datagram and where it came from.
class Receiver {
 public:
  Receiver() : bytes_(batch_size * largest) {}

  template <typename Take>
  void drain(int descriptor, Take take) {
    for (int turn = 0; turn < 16; ++turn) {
      for (std::size_t i = 0; i < batch_size; ++i) {
        vectors_[i] = {bytes_.data() + i * largest, largest};
        headers_[i].msg_hdr = {};
        headers_[i].msg_hdr.msg_name = &from_[i].storage;
        headers_[i].msg_hdr.msg_namelen = sizeof from_[i].storage;
        headers_[i].msg_hdr.msg_iov = &vectors_[i];
        headers_[i].msg_hdr.msg_iovlen = 1;
      }
      const int count = recvmmsg(descriptor, headers_.data(), batch_size, MSG_DONTWAIT, nullptr);
      if (count <= 0) return;  // an ICMP error is reported once, epoll calls again for the rest
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        from_[i].length = headers_[i].msg_hdr.msg_namelen;
        const auto* begin = bytes_.data() + i * largest;
        take(std::vector<std::uint8_t>(begin, begin + headers_[i].msg_len), from_[i]);
      }
      if (static_cast<std::size_t>(count) < batch_size) return;
    }
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::array<mmsghdr, batch_size> headers_{};
  std::array<iovec, batch_size> vectors_{};
  std::array<Address, batch_size> from_{};
};

Receiver& receiver() {
  static Receiver one;
  return one;
}

}  // namespace

Address Address::parse(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) throw std::invalid_argument("address without a port: " + text);
  std::string host = text.substr(0, colon);
  const auto port = static_cast<std::uint16_t>(std::stoul(text.substr(colon + 1)));
  Address result;
  auto* four = reinterpret_cast<sockaddr_in*>(&result.storage);
  auto* six = reinterpret_cast<sockaddr_in6*>(&result.storage);
  if (inet_pton(AF_INET, host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    result.length = sizeof *four;
    return result;
  }
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  if (inet_pton(AF_INET6, host.c_str(), &six->sin6_addr) != 1) {
    throw std::invalid_argument("not an address: " + text);
  }
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  result.length = sizeof *six;
  return result;
}

std::string Address::key() const {
  return std::string(reinterpret_cast<const char*>(&storage), length);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (number_ >= 0) close(number_);
  number_ = other.release();
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}

int Descriptor::release() {
  return std::exchange(number_, -1);
}

Time now() {
  timespec value{};
  clock_gettime(CLOCK_MONOTONIC, &value);
  return std::chrono::seconds(value.tv_sec) + Time{value.tv_nsec};
}

Relay::Relay(int epoll, const Address& listen, const Address& upstream, std::uint64_t seed)
    : up(seed),
      down(seed ^ 0x9e3779b97f4a7c15),
      epoll_(epoll),
      listener_(udp_socket(listen.storage.ss_family)),
      server_(upstream) {
  if (bind(listener_.get(), generic(listen), listen.length) != 0) {
    throw std::system_error(errno, std::generic_category(), "bind");
  }
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_.get(), &event);
}

std::uint32_t Relay::session_of(const Address& client) {
  const auto [place, fresh] =
      by_client_.try_emplace(client.key(), static_cast<std::uint32_t>(sessions_.size()));
  if (fresh) {
    sessions_.push_back(Session{.client = client, .upstream = Descriptor{}});
    bind_upstream(place->second);
  }
  return place->second;
}

void Relay::bind_upstream(std::uint32_t session) {
  Session& one = sessions_[session];
  // The new socket is made before the old one goes, so that the port is another one.
  Descriptor made = udp_socket(server_.storage.ss_family);
  if (connect(made.get(), generic(server_), server_.length) != 0) {
    throw std::system_error(errno, std::generic_category(), "connect");
  }
  epoll_event event{.events = EPOLLIN, .data = {.u64 = std::uint64_t{session} + 1}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, made.get(), &event);
  one.upstream = std::move(made);
  one.bound_at = one.active_at = now();
}

bool Relay::mapping_is_gone(const Session& session, Time at) const {
  return mapping_expiry > Time{0} && at - session.active_at > mapping_expiry;
}

void Relay::remember(std::deque<Datagram>& tape, const Datagram& datagram) {
  if (record == 0) return;
  tape.push_back(datagram);
  while (tape.size() > record) tape.pop_front();
}

void Relay::on_listener() {
  const Time at = now();
  receiver().drain(listener_.get(), [&](std::vector<std::uint8_t> bytes, const Address& from) {
    const std::uint32_t session = session_of(from);
    if (mapping_is_gone(sessions_[session], at)) {
      bind_upstream(session);
      ++rebinds;
    }
    sessions_[session].active_at = at;
    Datagram datagram{session, std::move(bytes)};
    remember(tape_up_, datagram);
    up.enter(std::move(datagram), at);
  });
}

void Relay::on_upstream(std::uint32_t session) {
  const Time at = now();
  receiver().drain(sessions_[session].upstream.get(),
                   [&](std::vector<std::uint8_t> bytes, const Address&) {
                     if (mapping_is_gone(sessions_[session], at)) {
                       ++down.counters.expired;
                       return;
                     }
                     sessions_[session].active_at = at;
                     Datagram datagram{session, std::move(bytes)};
                     remember(tape_down_, datagram);
                     down.enter(std::move(datagram), at);
                   });
}

void Relay::send(int descriptor, const Address* to, const Datagram* const* first,
                 std::size_t count) {
  std::array<mmsghdr, batch_size> headers{};
  std::array<iovec, batch_size> vectors{};
  for (std::size_t i = 0; i < count; ++i) {
    vectors[i] = {const_cast<std::uint8_t*>(first[i]->bytes.data()), first[i]->bytes.size()};
    headers[i].msg_hdr.msg_iov = &vectors[i];
    headers[i].msg_hdr.msg_iovlen = 1;
    if (to != nullptr) {
      headers[i].msg_hdr.msg_name = const_cast<sockaddr_storage*>(&to->storage);
      headers[i].msg_hdr.msg_namelen = to->length;
    }
  }
  std::size_t done = 0;
  for (int tries = 0; done < count && tries < 100; ++tries) {
    const int sent =
        sendmmsg(descriptor, headers.data() + done, static_cast<unsigned>(count - done), 0);
    if (sent > 0) {
      done += static_cast<std::size_t>(sent);
    } else if (errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED && errno != EINTR) {
      ++done;  // this one cannot be sent at all
    }
  }
}

void Relay::send_all(bool towards_server, const std::vector<Datagram>& batch) {
  std::array<const Datagram*, batch_size> run{};
  std::size_t count = 0;
  const auto flush = [&] {
    if (count == 0) return;
    const Session& session = sessions_[run[0]->session];
    if (towards_server) {
      send(session.upstream.get(), nullptr, run.data(), count);
    } else {
      send(listener_.get(), &session.client, run.data(), count);
    }
    count = 0;
  };
  for (const auto& datagram : batch) {
    if (count == batch_size || (count != 0 && run[0]->session != datagram.session)) flush();
    run[count++] = &datagram;
  }
  flush();
}

std::optional<Time> Relay::tick() {
  const Time at = now();
  std::optional<Time> next;
  const auto consider = [&next](Time when) { next = next ? std::min(*next, when) : when; };
  if (rebind_every > Time{0}) {
    for (std::uint32_t i = 0; i < sessions_.size(); ++i) {
      if (at - sessions_[i].bound_at >= rebind_every) {
        bind_upstream(i);
        ++rebinds;
      }
      consider(sessions_[i].bound_at + rebind_every);
    }
  }
  for (const bool towards_server : {true, false}) {
    FaultLine& line = towards_server ? up : down;
    batch_.clear();
    line.leave(at, batch_);
    send_all(towards_server, batch_);
    if (const auto when = line.next()) consider(*when);
  }
  return next;
}

void Relay::rebind_all() {
  for (std::uint32_t i = 0; i < sessions_.size(); ++i) bind_upstream(i);
  rebinds += sessions_.size();
}

std::size_t Relay::replay(bool towards_server, bool other_source) {
  const std::deque<Datagram>& tape = towards_server ? tape_up_ : tape_down_;
  std::map<std::uint32_t, Descriptor> others;
  for (const auto& datagram : tape) {
    const Datagram* const one = &datagram;
    if (!towards_server || !other_source) {
      send_all(towards_server, {datagram});
      continue;
    }
    auto [place, fresh] = others.try_emplace(datagram.session);
    if (fresh) place->second = udp_socket(server_.storage.ss_family);
    send(place->second.get(), &server_, &one, 1);
  }
  return tape.size();
}

}  // namespace culvert::relay

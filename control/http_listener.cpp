#include "control/http_listener.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include "base/log.hpp"

namespace culvert::control {
namespace {

constexpr int backlog = 128;
constexpr int accepted_at_once = 16;  // then other events have their turn

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  throw std::runtime_error(what + ": " + why);
}

sockaddr_un name_of(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path)
    fail("control socket " + path,
         fmt::format("the path is longer than {} bytes, choose a shorter server.control_socket",
                     sizeof name.sun_path - 1));
  std::memcpy(name.sun_path, path.data(), path.size());
  return name;
}

void make_directory(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (parent.empty() || std::filesystem::exists(parent, error)) return;
  const mode_t before = ::umask(0077);
  std::filesystem::create_directories(parent, error);
  ::umask(before);
  if (error) fail("directory " + parent.string() + " of the control socket", error.message());
}

// What a process that died left behind goes; what is no socket, or answers, stays.
void clear_stale(const std::string& path, const sockaddr_un& name) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return;
  if (!S_ISSOCK(found.st_mode))
    fail("control socket " + path, "there is something else with that name, and it is no socket");
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probe < 0) fail("socket", std::strerror(errno));
  const int result = ::connect(probe, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  const int error = result == 0 ? 0 : errno;
  ::close(probe);
  if (error == 0 || error == EAGAIN)
    fail("control socket " + path, "another process answers there; is a culvert running already?");
  if (error != ECONNREFUSED) fail("control socket " + path, std::strerror(error));
  if (::unlink(path.c_str()) != 0) fail("stale control socket " + path, std::strerror(errno));
}

struct FreeAddresses {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};

std::unique_ptr<addrinfo, FreeAddresses> look_up(const std::string& host_port) {
  const std::size_t colon = host_port.rfind(':');
  if (colon == std::string::npos || colon == 0)
    fail("server.http = \"" + host_port + "\"", "expected HOST:PORT such as \"127.0.0.1:9586\"");
  std::string host = host_port.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), host_port.substr(colon + 1).c_str(), &hints, &list);
  if (error != 0) fail("server.http = \"" + host_port + "\"", ::gai_strerror(error));
  return std::unique_ptr<addrinfo, FreeAddresses>(list);
}

std::string bound_address(int descriptor) {
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &length);
  return base::Endpoint::from_sockaddr(name).to_string();
}

}  // namespace

bool is_own_user(int descriptor) noexcept {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

HttpListener::HttpListener(boost::asio::io_context& io) : socket_(io), pause_(io) {}

HttpListener::~HttpListener() {
  close();
}

void HttpListener::open_local(const std::string& path) {
  const sockaddr_un name = name_of(path);
  make_directory(path);
  clear_stale(path, name);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail("socket", std::strerror(errno));
  socket_.assign(descriptor);
  // From its first moment the socket is ours alone.
  const mode_t before = ::umask(0177);
  const int bound = ::bind(descriptor, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  const int error = errno;
  ::umask(before);
  if (bound != 0) fail("control socket " + path, std::strerror(error));
  struct stat made {};
  if (::lstat(path.c_str(), &made) == 0) {
    path_ = path;
    device_ = made.st_dev;
    inode_ = made.st_ino;
  }
  if (::listen(descriptor, backlog) != 0) fail("control socket " + path, std::strerror(errno));
  address_ = path;
}

void HttpListener::open_tcp(const std::string& host_port) {
  const auto list = look_up(host_port);
  const int descriptor =
      ::socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0) fail("server.http = \"" + host_port + "\"", std::strerror(errno));
  socket_.assign(descriptor);
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(descriptor, list->ai_addr, list->ai_addrlen) != 0 ||
      ::listen(descriptor, backlog) != 0)
    fail("server.http = \"" + host_port + "\"", std::strerror(errno));
  address_ = bound_address(descriptor);
}

void HttpListener::start(Accept accept) {
  accept_ = std::move(accept);
  open_ = std::make_shared<bool>(true);
  wait();
}

void HttpListener::close() {
  boost::system::error_code ignored;
  open_.reset();
  socket_.close(ignored);
  pause_.cancel();
  remove_name();
}

void HttpListener::remove_name() noexcept {
  struct stat found {};
  if (!path_.empty() && ::lstat(path_.c_str(), &found) == 0 && found.st_dev == device_ &&
      found.st_ino == inode_)
    ::unlink(path_.c_str());
  path_.clear();
}

template <class Act>
auto HttpListener::while_open(Act act) {
  return [open = std::weak_ptr(open_), act](boost::system::error_code error) {
    if (!error && !open.expired()) act();
  };
}

void HttpListener::wait() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     while_open([this] { accept_all(); }));
}

void HttpListener::accept_all() {
  for (int i = 0; i < accepted_at_once; ++i) {
    sockaddr_storage name{};
    socklen_t length = sizeof name;
    const int accepted = ::accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&name),
                                   &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
      accept_(accepted, base::Endpoint::from_sockaddr(name).address);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    // No descriptor or no memory now: those who wait stay in the backlog.
    base::log::warn("{}: accept: {}", address_, std::strerror(errno));
    pause_.expires_after(std::chrono::seconds(1));
    pause_.async_wait(while_open([this] { wait(); }));
    return;
  }
  wait();
}

}  // namespace culvert::control

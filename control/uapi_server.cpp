#include "control/uapi_server.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <set>
#include <system_error>

#include "base/log.hpp"
#include "control/uapi.hpp"

namespace culvert::control {
namespace {

namespace asio = boost::asio;
namespace log = base::log;
using boost::system::error_code;
using Awaited = asio::awaitable<void>;

constexpr std::size_t buffer_size = 64 * 1024;
constexpr auto accept_pause = std::chrono::milliseconds(100);  // when there is no descriptor left

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    throw std::system_error(ENAMETOOLONG, std::generic_category(), path);
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

int open_socket() {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "socket");
  return fd;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// A socket that a dead server left is removed; one that somebody answers on is theirs.
void remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) return;
  if (!S_ISSOCK(there.st_mode)) throw std::runtime_error(path + " is there and is no socket");
  const Descriptor probe(open_socket());
  const auto* to = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(probe.get(), to, sizeof address) == 0 || errno == EAGAIN)
    throw std::runtime_error(path + " belongs to another running process");
  if (errno != ECONNREFUSED || ::unlink(path.c_str()) != 0)
    throw std::system_error(errno, std::generic_category(), path);
}

class Umask {
 public:
  explicit Umask(mode_t mask) noexcept : before_(::umask(mask)) {}
  ~Umask() { ::umask(before_); }
  Umask(const Umask&) = delete;
  Umask& operator=(const Umask&) = delete;

 private:
  mode_t before_;
};

int listen_on(const std::filesystem::path& directory, const std::string& path) {
  const Umask only_ours(077);
  const sockaddr_un address = address_of(path);
  std::filesystem::create_directories(directory);
  remove_stale(path, address);
  Descriptor made(open_socket());
  if (::bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(made.get(), int(UapiServer::max_connections)) != 0)
    throw std::system_error(errno, std::generic_category(), path);
  return made.release();
}

bool may_speak(int fd) noexcept {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

struct Connection : std::enable_shared_from_this<Connection> {
  Connection(const asio::any_io_executor& executor, int fd)
      : socket(executor, asio::local::stream_protocol(), fd), deadline(executor) {
    input.resize(buffer_size);
  }

  void close() {
    error_code ignored;
    deadline.cancel();
    socket.close(ignored);
  }
  void close_after(std::chrono::milliseconds patience) {
    deadline.expires_after(patience);
    deadline.async_wait([self = weak_from_this()](error_code error) {
      const auto connection = self.lock();
      if (!error && connection) connection->close();
    });
  }

  asio::local::stream_protocol::socket socket;
  asio::steady_timer deadline;
  WipedText input;
  std::size_t begin = 0, end = 0;  // what of `input` is not read yet
};

using ConnectionPtr = std::shared_ptr<Connection>;

// Gives the request the lines there are. True when it is whole.
bool take_lines(Connection& from, UapiRequest& request) {
  while (true) {
    const std::string_view rest(from.input.data() + from.begin, from.end - from.begin);
    const auto newline = rest.find('\n');
    if (newline == std::string_view::npos) return false;
    from.begin += newline + 1;
    if (request.take(rest.substr(0, newline))) return true;
  }
}

// More input, behind what is not read yet. False at the end of the connection.
asio::awaitable<bool> receive(ConnectionPtr from) {
  std::copy(from->input.begin() + std::ptrdiff_t(from->begin),
            from->input.begin() + std::ptrdiff_t(from->end), from->input.begin());
  from->end -= from->begin;
  from->begin = 0;
  const auto room = asio::buffer(from->input.data() + from->end, from->input.size() - from->end);
  error_code error;
  const std::size_t n =
      co_await from->socket.async_read_some(room, asio::redirect_error(asio::use_awaitable, error));
  from->end += n;
  co_return !error && n > 0;
}

bool hopeless(const Connection& from, const UapiRequest& request) {
  return from.end - from.begin > UapiRequest::max_line || request.error() == -EMSGSIZE;
}

WipedText status_text(int error) {
  const std::string status = uapi_status(error);
  return WipedText(status.begin(), status.end());
}

}  // namespace

struct UapiServer::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor on, Server& of, Options with)
      : executor(std::move(on)),
        server(of),
        options(std::move(with)),
        path((options.directory / (options.interface + ".sock")).string()),
        listener(executor),
        pause(executor) {}

  void open();
  void accept();
  void accept_all();
  void close();
  void end(const ConnectionPtr& connection);
  static Awaited serve(std::shared_ptr<State> self, ConnectionPtr connection);
  static asio::awaitable<WipedText> answer(std::shared_ptr<State> self, UapiRequest& request);

  asio::any_io_executor executor;
  Server& server;  // until `closed`
  Options options;
  std::string path;
  asio::posix::stream_descriptor listener;
  asio::steady_timer pause;
  std::set<ConnectionPtr> connections;
  struct stat made {};
  bool accepting = false, closed = false;
};

void UapiServer::State::open() try {
  listener.assign(listen_on(options.directory, path));
  if (::stat(path.c_str(), &made) != 0)
    throw std::system_error(errno, std::generic_category(), path);
  accept();
} catch (const std::exception& error) {
  log::warn("no socket for wg: {}", error.what());
  error_code ignored;
  if (listener.is_open()) listener.close(ignored);
}

void UapiServer::State::accept() {
  if (closed || accepting || connections.size() >= max_connections) return;
  accepting = true;
  listener.async_wait(asio::posix::descriptor_base::wait_read,
                      [self = shared_from_this()](error_code error) {
                        self->accepting = false;
                        if (!error) self->accept_all();
                      });
}

void UapiServer::State::accept_all() {
  while (!closed && connections.size() < max_connections) {
    const int fd =
        ::accept4(listener.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && errno == EAGAIN) return accept();
    if (fd < 0) {
      pause.expires_after(accept_pause);
      return pause.async_wait([self = shared_from_this()](error_code) { self->accept(); });
    }
    Descriptor owned(fd);
    if (!may_speak(fd)) continue;
    const auto connection = std::make_shared<Connection>(executor, owned.release());
    connections.insert(connection);
    asio::co_spawn(
        executor, serve(shared_from_this(), connection),
        [self = shared_from_this(), connection](std::exception_ptr) { self->end(connection); });
  }
}

void UapiServer::State::end(const ConnectionPtr& connection) {
  connection->close();
  connections.erase(connection);
  accept();
}

void UapiServer::State::close() {
  closed = true;
  pause.cancel();
  for (const ConnectionPtr& each : connections) each->close();
  if (!listener.is_open()) return;
  struct stat there {};
  const bool ours = ::lstat(path.c_str(), &there) == 0 && there.st_dev == made.st_dev &&
                    there.st_ino == made.st_ino;
  if (ours) ::unlink(path.c_str());
  error_code ignored;
  listener.close(ignored);
}

Awaited UapiServer::State::serve(std::shared_ptr<State> self, ConnectionPtr connection) {
  while (!self->closed) {
    UapiRequest request;
    connection->close_after(self->options.patience);
    bool whole = take_lines(*connection, request);
    while (!whole && !hopeless(*connection, request)) {
      const bool more = co_await receive(connection);
      if (!more) co_return;
      whole = take_lines(*connection, request);
    }
    connection->deadline.cancel();
    WipedText reply = status_text(-EMSGSIZE);
    if (whole) reply = co_await answer(self, request);
    connection->close_after(self->options.patience);
    error_code error;
    const auto bytes = asio::buffer(reply.data(), reply.size());
    co_await asio::async_write(connection->socket, bytes,
                               asio::redirect_error(asio::use_awaitable, error));
    if (error || !whole) co_return;
  }
}

asio::awaitable<WipedText> UapiServer::State::answer(std::shared_ptr<State> self,
                                                     UapiRequest& request) {
  int error = request.error();
  if (error != 0) {
    log::warn("wg: {}", request.reason());
  } else if (!request.is_set()) {
    co_return print_uapi(self->server);
  } else {
    DeviceChange change = request.take_change(self->server.info().public_key);
    const Outcome<> done = co_await self->server.change_device(std::move(change));
    if (!done) error = errno_of(done.problem());
    if (!done) log::warn("wg: {}", done.problem().to_line());
  }
  co_return status_text(error);
}

UapiServer::UapiServer(asio::any_io_executor executor, Server& server, Options options)
    : state_(std::make_shared<State>(std::move(executor), server, std::move(options))) {
  state_->open();
}

UapiServer::~UapiServer() {
  state_->close();
}

bool UapiServer::listening() const noexcept {
  return state_->listener.is_open();
}

}  // namespace culvert::control

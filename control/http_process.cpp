#include "control/http_process.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "control/frame_channel.hpp"

namespace culvert::control {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using nlohmann::json;

// What the child is given beyond a request's timeout to say so.
constexpr auto grace = std::chrono::seconds(2);

std::string to_text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string write_request(std::uint64_t id, const HttpRequest& request) {
  return to_text({{"id", id},
                  {"url", request.url},
                  {"headers", request.headers},
                  {"body", request.body},
                  {"ca_file", request.ca_file},
                  {"timeout", request.timeout.count()}});
}

HttpRequest read_request(const json& value) {
  HttpRequest request;
  value.at("url").get_to(request.url);
  value.at("headers").get_to(request.headers);
  value.at("body").get_to(request.body);
  value.at("ca_file").get_to(request.ca_file);
  request.timeout = std::chrono::milliseconds(value.at("timeout").get<std::int64_t>());
  return request;
}

std::string write_reply(std::uint64_t id, const HttpReply& reply) {
  return to_text(
      {{"id", id}, {"status", reply.status}, {"body", reply.body}, {"error", reply.error}});
}

// The child's side.
struct Child {
  explicit Child(int socket) : http(io.get_executor()) {
    channel = FrameChannel::start(
        io.get_executor(), socket, [this](const std::string& frame) { on_request(frame); },
        [] { ::_exit(0); });
  }

  void on_request(const std::string& frame) {
    const json value = json::parse(frame);
    const auto id = value.at("id").get<std::uint64_t>();
    asio::co_spawn(io, answer(this, id, read_request(value)), asio::detached);
  }
  static asio::awaitable<void> answer(Child* self, std::uint64_t id, HttpRequest request) {
    const HttpReply reply = co_await self->http.post(std::move(request));
    self->channel->send(write_reply(id, reply));
  }

  asio::io_context io{1};
  OutgoingHttp http;
  std::shared_ptr<FrameChannel> channel;
};

void leave_supervisor(pid_t supervisor, int socket) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != supervisor) ::_exit(1);
  ::prctl(PR_SET_NAME, "culvert-http", 0, 0, 0);
  // The terminal and the service manager signal all processes of the group; the supervisor decides.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2})
    ::signal(signal, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (socket > 3) ::close_range(3, unsigned(socket) - 1, 0);
  ::close_range(unsigned(socket) + 1, ~0u, 0);
}

[[noreturn]] void become_child(pid_t supervisor, int socket,
                               const std::function<void()>& in_child) noexcept {
  try {
    leave_supervisor(supervisor, socket);
    if (in_child) in_child();
    Child child(socket);
    child.io.run();
  } catch (const std::exception& error) {
    base::log::error("http process: {}", error.what());
  }
  ::_exit(1);
}

}  // namespace

struct HttpProcess::State : std::enable_shared_from_this<State> {
  struct Waiting {
    Done done;
    std::unique_ptr<asio::steady_timer> limit;
  };

  State(asio::any_io_executor on, std::function<void()> first)
      : executor(std::move(on)), in_child(std::move(first)) {}

  std::string start();  // why it could not; empty if it runs
  void post(const HttpRequest& request, Done done);
  void on_reply(const std::string& frame);
  void finish(std::uint64_t id, HttpReply reply);
  void end();
  void reap();

  asio::any_io_executor executor;
  std::function<void()> in_child;
  std::shared_ptr<FrameChannel> channel;
  pid_t pid = 0;
  std::uint64_t next = 1;
  std::map<std::uint64_t, Waiting> waiting;
};

std::string HttpProcess::State::start() {
  if (channel) return {};
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) != 0)
    return std::string("socketpair: ") + std::strerror(errno);
  const pid_t self = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become_child(self, sockets[1], in_child);
  const int error = errno;
  ::close(sockets[1]);
  if (child < 0) {
    ::close(sockets[0]);
    return std::string("fork: ") + std::strerror(error);
  }
  pid = child;
  const std::weak_ptr<State> weak = weak_from_this();
  channel = FrameChannel::start(
      executor, sockets[0],
      [weak](const std::string& frame) {
        if (const auto state = weak.lock()) state->on_reply(frame);
      },
      [weak] {
        if (const auto state = weak.lock()) state->end();
      });
  return {};
}

void HttpProcess::State::post(const HttpRequest& request, Done done) {
  const std::string why = start();
  if (!why.empty()) {
    HttpReply reply;
    reply.error = why;
    return asio::post(executor, [done = std::move(done), reply] { done(reply); });
  }
  const std::uint64_t id = next++;
  auto limit = std::make_unique<asio::steady_timer>(executor, request.timeout + grace);
  limit->async_wait([weak = weak_from_this(), id](error_code error) {
    const auto state = weak.lock();
    if (error || !state) return;
    HttpReply reply;
    reply.error = "timed out";
    state->finish(id, std::move(reply));
  });
  waiting.emplace(id, Waiting{std::move(done), std::move(limit)});
  channel->send(write_request(id, request));
}

// The child reads what strangers send: nothing it says is trusted further than this.
void HttpProcess::State::on_reply(const std::string& frame) try {
  const json value = json::parse(frame);
  HttpReply reply;
  value.at("status").get_to(reply.status);
  value.at("body").get_to(reply.body);
  value.at("error").get_to(reply.error);
  finish(value.at("id").get<std::uint64_t>(), std::move(reply));
} catch (const json::exception&) {
  channel->close();
  end();
}

void HttpProcess::State::finish(std::uint64_t id, HttpReply reply) {
  auto node = waiting.extract(id);
  if (!node) return;
  node.mapped().limit->cancel();
  node.mapped().done(std::move(reply));
}

void HttpProcess::State::end() {
  reap();
  base::log::warn("the http process ended; the next request starts it again");
  for (auto lost = std::exchange(waiting, {}); auto& [id, each] : lost) {
    each.limit->cancel();
    HttpReply reply;
    reply.error = "the http process ended";
    each.done(std::move(reply));
  }
}

// It has closed its socket or been cut off, so it ends now if it has not yet.
void HttpProcess::State::reap() {
  if (channel) channel->close();
  channel.reset();
  if (pid <= 0) return;
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid = 0;
}

HttpProcess::HttpProcess(asio::any_io_executor executor, std::function<void()> in_child)
    : state_(std::make_shared<State>(std::move(executor), std::move(in_child))) {}

HttpProcess::~HttpProcess() {
  state_->reap();
  state_->waiting.clear();
}

void HttpProcess::post(HttpRequest request, Done done) {
  state_->post(request, std::move(done));
}

int HttpProcess::pid() const noexcept {
  return state_->pid;
}

}  // namespace culvert::control

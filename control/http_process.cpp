#include "control/http_process.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "control/child_process.hpp"
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

json to_json(const HttpRequest& request) {
  return {{"url", request.url},
          {"headers", request.headers},
          {"body", request.body},
          {"ca_file", request.ca_file},
          {"timeout", request.timeout.count()}};
}

json to_json(const DownloadRequest& request) {
  return {{"url", request.url},
          {"file", request.file},
          {"etag", request.etag},
          {"last_modified", request.last_modified},
          {"ca_file", request.ca_file},
          {"max_size", request.max_size},
          {"timeout", request.timeout.count()}};
}

void read(const json& value, HttpRequest& request) {
  value.at("url").get_to(request.url);
  value.at("headers").get_to(request.headers);
  value.at("body").get_to(request.body);
  value.at("ca_file").get_to(request.ca_file);
  request.timeout = std::chrono::milliseconds(value.at("timeout").get<std::int64_t>());
}

void read(const json& value, DownloadRequest& request) {
  value.at("url").get_to(request.url);
  value.at("file").get_to(request.file);
  value.at("etag").get_to(request.etag);
  value.at("last_modified").get_to(request.last_modified);
  value.at("ca_file").get_to(request.ca_file);
  value.at("max_size").get_to(request.max_size);
  request.timeout = std::chrono::milliseconds(value.at("timeout").get<std::int64_t>());
}

json to_json(const HttpReply& reply) {
  return {{"status", reply.status}, {"body", reply.body}, {"error", reply.error}};
}

json to_json(const DownloadReply& reply) {
  return {{"status", reply.status},
          {"etag", reply.etag},
          {"last_modified", reply.last_modified},
          {"bytes", reply.bytes},
          {"error", reply.error}};
}

void read(const json& value, HttpReply& reply) {
  value.at("status").get_to(reply.status);
  value.at("body").get_to(reply.body);
  value.at("error").get_to(reply.error);
}

void read(const json& value, DownloadReply& reply) {
  value.at("status").get_to(reply.status);
  value.at("etag").get_to(reply.etag);
  value.at("last_modified").get_to(reply.last_modified);
  value.at("bytes").get_to(reply.bytes);
  value.at("error").get_to(reply.error);
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
    if (value.contains("file")) {
      DownloadRequest request;
      read(value, request);
      return asio::co_spawn(io, download(this, id, std::move(request)), asio::detached);
    }
    HttpRequest request;
    read(value, request);
    asio::co_spawn(io, post(this, id, std::move(request)), asio::detached);
  }
  static asio::awaitable<void> post(Child* self, std::uint64_t id, HttpRequest request) {
    const HttpReply reply = co_await self->http.post(std::move(request));
    self->send(id, to_json(reply));
  }
  static asio::awaitable<void> download(Child* self, std::uint64_t id, DownloadRequest request) {
    const DownloadReply reply = co_await self->http.download(std::move(request));
    self->send(id, to_json(reply));
  }
  void send(std::uint64_t id, json reply) {
    reply["id"] = id;
    channel->send(to_text(reply));
  }

  asio::io_context io{1};
  OutgoingHttp http;
  std::shared_ptr<FrameChannel> channel;
};

}  // namespace

struct HttpProcess::State : std::enable_shared_from_this<State> {
  struct Waiting {
    // What the child said, or why it says nothing.
    std::function<void(const json* reply, const std::string& error)> done;
    std::unique_ptr<asio::steady_timer> limit;
  };

  State(asio::any_io_executor on, std::function<void()> first)
      : executor(std::move(on)), in_child(std::move(first)) {}

  std::string start();  // why it could not; empty if it runs
  template <class Request, class Reply>
  void ask(const Request& request, std::function<void(Reply)> done);
  void on_reply(const std::string& frame);
  void finish(std::uint64_t id, const json* reply, const std::string& error);
  void end();
  void reap();

  asio::any_io_executor executor;
  std::function<void()> in_child;
  std::shared_ptr<FrameChannel> channel;
  ChildProcess child;
  std::uint64_t next = 1;
  std::map<std::uint64_t, Waiting> waiting;
};

std::string HttpProcess::State::start() {
  if (channel) return {};
  auto started = ChildProcess::start({"culvert-http", {}, in_child}, [](int socket) {
    Child made(socket);
    made.io.run();
  });
  if (!started) return started.error();
  child = std::move(*started);
  const std::weak_ptr<State> weak = weak_from_this();
  channel = FrameChannel::start(
      executor, child.take_socket(),
      [weak](const std::string& frame) {
        if (const auto state = weak.lock()) state->on_reply(frame);
      },
      [weak] {
        if (const auto state = weak.lock()) state->end();
      });
  return {};
}

template <class Request, class Reply>
void HttpProcess::State::ask(const Request& request, std::function<void(Reply)> done) {
  auto finished = [done = std::move(done)](const json* value, const std::string& error) {
    Reply reply;
    try {
      if (value) read(*value, reply);
      if (!value) reply.error = error;
    } catch (const json::exception&) {
      reply = {};
      reply.error = "the http process said nonsense";
    }
    done(std::move(reply));
  };
  const std::string why = start();
  if (!why.empty()) return asio::post(executor, [finished, why] { finished(nullptr, why); });
  const std::uint64_t id = next++;
  auto limit = std::make_unique<asio::steady_timer>(executor, request.timeout + grace);
  limit->async_wait([weak = weak_from_this(), id](error_code error) {
    const auto state = weak.lock();
    if (!error && state) state->finish(id, nullptr, "timed out");
  });
  waiting.emplace(id, Waiting{std::move(finished), std::move(limit)});
  json message = to_json(request);
  message["id"] = id;
  channel->send(to_text(message));
}

// The child reads what strangers send: nothing it says is trusted further than this.
void HttpProcess::State::on_reply(const std::string& frame) try {
  const json value = json::parse(frame);
  finish(value.at("id").get<std::uint64_t>(), &value, {});
} catch (const json::exception&) {
  channel->close();
  end();
}

void HttpProcess::State::finish(std::uint64_t id, const json* reply, const std::string& error) {
  auto node = waiting.extract(id);
  if (!node) return;
  node.mapped().limit->cancel();
  node.mapped().done(reply, error);
}

void HttpProcess::State::end() {
  reap();
  base::log::warn("the http process ended; the next request starts it again");
  for (auto lost = std::exchange(waiting, {}); auto& [id, each] : lost) {
    each.limit->cancel();
    each.done(nullptr, "the http process ended");
  }
}

// It has closed its socket or been cut off, so it ends now if it has not yet.
void HttpProcess::State::reap() {
  if (channel) channel->close();
  channel.reset();
  child.end();
}

HttpProcess::HttpProcess(asio::any_io_executor executor, std::function<void()> in_child)
    : state_(std::make_shared<State>(std::move(executor), std::move(in_child))) {}

HttpProcess::~HttpProcess() {
  state_->reap();
  state_->waiting.clear();
}

void HttpProcess::post(HttpRequest request, Done done) {
  state_->ask(request, std::move(done));
}

void HttpProcess::download(DownloadRequest request, DownloadDone done) {
  state_->ask(request, std::move(done));
}

int HttpProcess::pid() const noexcept {
  return state_->child.pid();
}

}  // namespace culvert::control

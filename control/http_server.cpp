#include "control/http_server.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <list>

#include "control/http_connection.hpp"
#include "control/http_listener.hpp"
#include "control/http_message.hpp"

namespace culvert::control {

struct HttpServer::Impl final : HttpConnection::Owner {
  struct DoorState {
    explicit DoorState(boost::asio::io_context& io) : listener(io) {}
    HttpListener listener;
    std::list<std::shared_ptr<HttpConnection>> connections;
  };

  Impl(boost::asio::io_context& context, HttpHandler& answers, HttpBounds limits)
      : io(context), handler(answers), bounds(limits), local(context), tcp(context) {}

  DoorState& at(Door door) noexcept { return door == Door::local ? local : tcp; }
  const DoorState& at(Door door) const noexcept { return door == Door::local ? local : tcp; }

  void listen(Door door);
  void take(int descriptor, Door door, const base::IpAddress& from);
  bool make_room(DoorState& state);
  void turn_away(int descriptor);
  void close_all();

  bool may_stream(Door door) const override;
  void on_end(HttpConnection& connection) override;

  boost::asio::io_context& io;
  HttpHandler& handler;
  HttpBounds bounds;
  DoorState local, tcp;
};

void HttpServer::Impl::listen(Door door) {
  at(door).listener.start(
      [this, door](int descriptor, const base::IpAddress& from) { take(descriptor, door, from); });
}

void HttpServer::Impl::take(int descriptor, Door door, const base::IpAddress& from) {
  DoorState& state = at(door);
  if (!make_room(state)) return turn_away(descriptor);
  auto connection =
      std::make_shared<HttpConnection>(io, descriptor, door, from, handler, *this, bounds);
  state.connections.push_back(connection);
  if (door == Door::local && !is_own_user(descriptor))
    connection->start_refusing(handler.problem(
        403, "Not your server", "only root and the user that runs this server may ask it here"));
  else
    connection->start();
}

// An idle connection goes before one whose request is on its way; one that is being answered stays.
bool HttpServer::Impl::make_room(DoorState& state) {
  if (state.connections.size() < bounds.connections) return true;
  for (const auto wanted : {HttpConnection::State::idle, HttpConnection::State::reading}) {
    std::shared_ptr<HttpConnection> oldest;
    for (const auto& each : state.connections)
      if (each->state() == wanted && (!oldest || each->since() < oldest->since())) oldest = each;
    if (!oldest) continue;
    oldest->close();
    return true;
  }
  return false;
}

// Without a wait: what the socket does not take at once is lost.
void HttpServer::Impl::turn_away(int descriptor) {
  const Response busy =
      handler.problem(503, "Too many connections",
                      fmt::format("{} requests are being answered", bounds.connections));
  const std::string text = response_text(busy, false, false, false);
  if (::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
    ::shutdown(descriptor, SHUT_WR);
  ::close(descriptor);
}

bool HttpServer::Impl::may_stream(Door door) const {
  const auto& list = at(door).connections;
  return std::size_t(std::ranges::count(list, HttpConnection::State::streaming,
                                        [](const auto& each) { return each->state(); })) <
         bounds.streams;
}

void HttpServer::Impl::on_end(HttpConnection& connection) {
  std::erase_if(at(connection.door()).connections,
                [&](const auto& each) { return each.get() == &connection; });
}

void HttpServer::Impl::close_all() {
  for (DoorState* state : {&local, &tcp}) {
    state->listener.close();
    const auto list = state->connections;
    for (const auto& each : list) each->close();
  }
}

HttpServer::HttpServer(boost::asio::io_context& io, HttpHandler& handler, HttpBounds bounds)
    : impl_(std::make_unique<Impl>(io, handler, bounds)) {}

HttpServer::~HttpServer() {
  close();
}

void HttpServer::listen_local(const std::string& path) {
  impl_->local.listener.open_local(path);
  impl_->listen(Door::local);
}

void HttpServer::listen_tcp(const std::string& host_port) {
  impl_->tcp.listener.open_tcp(host_port);
  impl_->listen(Door::tcp);
}

void HttpServer::adopt(int descriptor, Door door) {
  impl_->take(descriptor, door, {});
}

void HttpServer::close() {
  impl_->close_all();
}

std::size_t HttpServer::connections() const noexcept {
  return impl_->local.connections.size() + impl_->tcp.connections.size();
}

std::string HttpServer::tcp_address() const {
  return impl_->tcp.listener.address();
}

}  // namespace culvert::control

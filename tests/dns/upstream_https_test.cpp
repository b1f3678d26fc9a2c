// Questions over HTTPS: what is asked, and which responses are answers.
#include "dns/upstream_https.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <map>

#include "tests/dns/certificates.hpp"
#include "tests/dns/upstream_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;

namespace {

struct Response {
  std::string status = "200", type = "application/dns-message", age = "";
  Message body = {};
  std::uint32_t reset = 0;  // instead of a response
  bool go_away = false;     // before it
  bool never = false;
};

// HTTP/2 on one connection of the test's server.
struct Http {
  struct Request {
    std::map<std::string, std::string> headers;
    Message body;
    Message reply;
    std::size_t sent = 0;
  };
  using Answer = std::function<Response(const Request&)>;

  Http(const Answer& respond, TcpServer::Connection& connection)
      : answer_request(respond), to(connection) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_server_new(&session, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  Http(const Http&) = delete;
  ~Http() { nghttp2_session_del(session); }

  void take() {
    nghttp2_session_mem_recv(session, reinterpret_cast<const std::uint8_t*>(to.in.data()),
                             to.in.size());
    to.in.clear();
    const std::uint8_t* data = nullptr;
    ssize_t size = 0;
    while ((size = nghttp2_session_mem_send(session, &data)) > 0)
      to.send({reinterpret_cast<const std::byte*>(data), std::size_t(size)});
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                       std::uint8_t, void* self) {
    static_cast<Http*>(self)
        ->requests[frame->hd.stream_id]
        .headers[std::string(name, name + name_size)] = std::string(value, value + value_size);
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                     std::size_t size, void* self) {
    Message& body = static_cast<Http*>(self)->requests[id].body;
    for (std::size_t i = 0; i < size; ++i) body.push_back(std::byte(data[i]));
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    if (frame->hd.type == NGHTTP2_DATA && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      static_cast<Http*>(self)->respond(frame->hd.stream_id);
    return 0;
  }
  static ssize_t read_reply(nghttp2_session*, std::int32_t, std::uint8_t* out, std::size_t size,
                            std::uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& request = *static_cast<Request*>(source->ptr);
    const std::size_t n = std::min(size, request.reply.size() - request.sent);
    std::memcpy(out, request.reply.data() + request.sent, n);
    request.sent += n;
    if (request.sent == request.reply.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return ssize_t(n);
  }

  void respond(std::int32_t id) {
    Request& request = requests[id];
    const Response response = answer_request(request);
    if (response.go_away) nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, id, 0, nullptr, 0);
    if (response.never) return;
    if (response.reset != 0) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, response.reset);
      return;
    }
    request.reply = response.body;
    std::vector<nghttp2_nv> headers;
    const auto add = [&](const char* name, const std::string& value) {
      headers.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
                         reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
                         std::strlen(name), value.size(), NGHTTP2_NV_FLAG_NONE});
    };
    add(":status", response.status);
    if (!response.type.empty()) add("content-type", response.type);
    if (!response.age.empty()) add("age", response.age);
    nghttp2_data_provider body{};
    body.source.ptr = &request;
    body.read_callback = read_reply;
    nghttp2_submit_response(session, id, headers.data(), headers.size(), &body);
  }

  Answer answer_request;
  TcpServer::Connection& to;
  nghttp2_session* session = nullptr;
  std::map<std::int32_t, Request> requests;
};

struct Https {
  explicit Https(Http::Answer respond, const std::string& alpn = "\x02h2")
      : server(
            [respond](TcpServer::Connection& connection) {
              if (!connection.state) connection.state = std::make_shared<Http>(respond, connection);
              static_cast<Http*>(connection.state.get())->take();
            },
            authority.server({.alpn = alpn})),
        world(settings_of(
                  {"https://dns.example:" + std::to_string(server.port()) + "/query#127.0.0.1"}),
              &authority.trust()) {
    world.servers = {&server};
  }
  std::shared_ptr<Outcome> ask() {
    const auto outcome = world.ask("www.example.com");
    REQUIRE(world.answered(outcome));
    return outcome;
  }

  // Of a connection that the server has: what HTTP/2 is to say on it next, at once.
  template <class Say>
  void say(TcpServer::Connection& connection, Say submit) {
    auto& http = *static_cast<Http*>(connection.state.get());
    submit(http.session);
    http.take();
  }

  Authority authority;
  TcpServer server;
  World world;
};

Response good(const Http::Request& request, std::uint8_t last = 5) {
  Response response;
  response.body = answer(request.body, last);
  return response;
}

std::uint32_t ttl_of(base::Bytes message) {
  dns::MessageReader reader(message);
  dns::Record record;
  REQUIRE(reader.next(record));
  return record.ttl;
}

}  // namespace

TEST_CASE("a question over HTTPS is a POST of a message with ID 0") {
  std::vector<Http::Request> seen;
  Https https([&](const Http::Request& request) {
    seen.push_back(request);
    return good(request);
  });
  const auto outcome = https.ask();
  CHECK(last_octet(outcome->message) == 5);
  CHECK(outcome->reply.authenticated);
  CHECK(ttl_of(outcome->message) == 300);
  REQUIRE(seen.size() == 1);
  auto& headers = seen[0].headers;
  CHECK(headers[":method"] == "POST");
  CHECK(headers[":path"] == "/query");
  CHECK(headers[":authority"] == "dns.example:" + std::to_string(https.server.port()));
  CHECK(headers["content-type"] == "application/dns-message");
  CHECK(headers["accept"] == "application/dns-message");
  CHECK(headers.count("user-agent") == 0);
  CHECK(id_of(seen[0].body) == 0);
  CHECK(seen[0].body.size() % 128 == 0);
}

TEST_CASE("questions over HTTPS share a connection") {
  Https https([](const Http::Request& request) { return good(request); });
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int i = 0; i < 90; ++i) outcomes.push_back(https.world.ask("www.example.com"));
  for (const auto& outcome : outcomes) {
    REQUIRE(https.world.answered(outcome));
    CHECK(last_octet(outcome->message) == 5);
  }
  CHECK(https.server.accepted == 1);
}

TEST_CASE("the age of a response lowers its TTLs") {
  Https https([](const Http::Request& request) {
    Response response = good(request);
    response.age = "100";
    return response;
  });
  CHECK(ttl_of(https.ask()->message) == 200);
}

TEST_CASE("only status 200 with the media type of DNS messages is an answer") {
  Response how;
  Https https([&](const Http::Request& request) {
    Response response = how;
    if (response.body.empty()) response.body = answer(request.body);
    return response;
  });
  const auto refused = [&](Response response) {
    how = std::move(response);
    https.world.now += 10s;  // it rests after a failure
    const auto outcome = https.ask();
    return outcome->message.empty() && outcome->reply.error != 0;
  };
  CHECK_FALSE(refused({.type = "Application/DNS-message; charset=x"}));
  CHECK(refused({.status = "500"}));
  CHECK(refused({.status = "429"}));
  CHECK(refused({.status = "302"}));
  CHECK(refused({.type = "text/html"}));
  CHECK(refused({.type = ""}));
  CHECK(refused({.type = "application/dns-message2"}));
  CHECK(refused({.body = Message(70000, std::byte{1})}));
  CHECK(refused({.body = Message(5)}));
  CHECK(refused({.reset = NGHTTP2_INTERNAL_ERROR}));
  CHECK_FALSE(refused({}));
}

TEST_CASE("a response to another question is not believed") {
  Https https([](const Http::Request& request) {
    Response response = good(request, 66);
    response.body[13] = std::byte{'z'};
    return response;
  });
  CHECK(https.ask()->message.empty());
  CHECK(https.world.counters[0].bogus.get() == 1);
}

TEST_CASE("a stream that the server refuses to begin is asked once more") {
  unsigned requests = 0;
  Https https([&](const Http::Request& request) {
    if (++requests == 1) return Response{.reset = NGHTTP2_REFUSED_STREAM};
    return good(request);
  });
  CHECK(last_octet(https.ask()->message) == 5);
  CHECK(requests == 2);
}

TEST_CASE("a server that goes away answers what it has taken, the next goes to a new connection") {
  unsigned requests = 0;
  Https https([&](const Http::Request& request) {
    Response response = good(request);
    response.go_away = ++requests == 1;
    return response;
  });
  CHECK(last_octet(https.ask()->message) == 5);
  CHECK(last_octet(https.ask()->message) == 5);
  CHECK(https.server.accepted == 2);
  CHECK(requests == 2);
}

TEST_CASE("requests under way when an HTTPS connection is lost are asked on another") {
  unsigned requests = 0;
  Https https([&](const Http::Request& request) {
    if (++requests <= 3) return Response{.never = true};
    return good(request);
  });
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int i = 0; i < 3; ++i) outcomes.push_back(https.world.ask("www.example.com"));
  REQUIRE(https.world.run([&] { return requests == 3; }));
  https.server.close_all();
  for (const auto& outcome : outcomes) {
    REQUIRE(https.world.answered(outcome));
    CHECK(last_octet(outcome->message) == 5);
  }
  CHECK(requests == 6);
}

TEST_CASE("questions that meet the server's going away are asked on another connection") {
  bool silent = false;
  unsigned requests = 0;
  Https https([&](const Http::Request& request) {
    ++requests;
    return silent ? Response{.never = true} : good(request);
  });
  std::vector<std::shared_ptr<Outcome>> outcomes;
  const auto ask = [&](int many) {
    outcomes.clear();
    for (int i = 0; i < many; ++i) outcomes.push_back(https.world.ask("www.example.com"));
  };
  const auto all_answered = [&] {
    for (const auto& outcome : outcomes)
      if (!https.world.answered(outcome) || last_octet(outcome->message) != 5) return false;
    return true;
  };
  ask(257);  // one more than a connection takes
  REQUIRE(all_answered());
  REQUIRE(https.server.accepted == 2);
  silent = true;  // what is under way keeps the connection
  ask(1);
  REQUIRE(https.world.run([&] { return requests == 258; }));
  silent = false;
  for (TcpServer::Connection& connection : https.server.connections)
    https.say(connection, [](nghttp2_session* session) {
      nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, 0x7fffffff, 0, nullptr, 0);
    });
  ask(3);
  CHECK(all_answered());
  CHECK(https.server.accepted == 3);
  CHECK(https.world.counters[0].failures.get() == 0);
}

TEST_CASE("a server that pings and never reads is hung up on before its pongs fill the memory") {
  Https https([](const Http::Request& request) { return good(request); });
  https.ask();
  TcpServer::Connection& connection = https.server.connections.front();
  const int small = 4096, on = 1;
  ::setsockopt(connection.fd.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  ::setsockopt(connection.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const Message pings = [] {
    Message one(17);
    one[2] = std::byte{8}, one[3] = std::byte{6};  // RFC 9113 section 6.7
    Message many;
    for (int i = 0; i < 400; ++i) many.insert(many.end(), one.begin(), one.end());
    return many;
  }();
  https.world.servers.clear();  // it reads nothing from here on
  for (int i = 0; i < 1600; ++i) {
    connection.send(pings);
    for (int turn = 0; turn < 3; ++turn) https.world.run([] { return true; });
  }
  CHECK(https.world.upstreams->next_deadline() == base::never);  // no connection is left
}

TEST_CASE("a server that does not agree to HTTP/2, or does not speak it, is refused") {
  Https other([](const Http::Request& request) { return good(request); }, "\x08http/1.1");
  CHECK(other.ask()->message.empty());
  Authority authority;
  TcpServer garbage(
      [](TcpServer::Connection& connection) {
        connection.in.clear();
        connection.send(Message(4000, std::byte{'x'}));
      },
      authority.server({.alpn = "\x02h2"}));
  World world(
      settings_of({"https://dns.example:" + std::to_string(garbage.port()) + "/query#127.0.0.1"}),
      &authority.trust());
  world.servers = {&garbage};
  const auto outcome = world.ask("www.example.com");
  REQUIRE(world.answered(outcome));
  CHECK(outcome->message.empty());
}

TEST_CASE("ages lower every TTL but what OPT has in its place") {
  dns::SentQuestion sent;
  SeededRandom random;
  sent.id = 1, sent.type = 1, sent.class_ = 1;
  dns::set_name(sent, *dns::Name::parse("a.example"), false, random);
  std::array<std::byte, dns::max_query> query;
  const std::size_t size = dns::write(query, sent, {.dnssec_ok = true});
  Message message = answer(base::Bytes(query).first(size));
  message.insert(message.end(), query.begin() + std::ptrdiff_t(size - 11),
                 query.begin() + std::ptrdiff_t(size));
  message[11] = std::byte{1};
  Message aged = message;
  dns::age_message(aged, 1000);
  CHECK(ttl_of(aged) == 0);
  CHECK(std::equal(aged.end() - 11, aged.end(), message.end() - 11));
}

#include "control/http_client.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "control/uri.hpp"

namespace culvert::control {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t largest_answer = 256 << 20;
constexpr std::size_t largest_head = 64 << 10;
constexpr auto poll_interval = std::chrono::milliseconds(200);

// A connection to the control socket, and what came over it so far.
class Wire {
 public:
  explicit Wire(const std::string& path);
  ~Wire() { ::close(descriptor_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void send(std::string_view bytes, Clock::time_point until);
  enum class Got { bytes, end, late };
  Got receive(std::string& to, Clock::time_point until);

 private:
  bool ready(short events, Clock::time_point until) const;
  [[noreturn]] void fail(const std::string& why) const {
    throw ClientError(fmt::format("control socket {}: {}", path_, why));
  }
  std::string path_;
  int descriptor_ = -1;
};

Wire::Wire(const std::string& path) : path_(path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.empty()) throw ClientError("there is no control socket: name one with --control PATH");
  if (path.size() >= sizeof name.sun_path) fail("the path is too long for a socket");
  std::memcpy(name.sun_path, path.data(), path.size());
  descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) fail(std::strerror(errno));
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return;
  const int error = errno;
  ::close(descriptor_);
  if (error == ENOENT || error == ECONNREFUSED)
    throw ClientError(
        fmt::format("no culvert runs with control socket {}: {}", path,
                    error == ENOENT ? "there is no such file" : "nobody listens there any more"));
  if (error == EACCES)
    fail("permission denied; only root and the user that runs the server may use it");
  fail(std::strerror(error));
}

bool Wire::ready(short events, Clock::time_point until) const {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left < 0) return false;
    pollfd wait{descriptor_, events, 0};
    const int count = ::poll(&wait, 1, int(std::min<long long>(left + 1, 60'000)));
    if (count > 0) return true;
    if (count < 0 && errno == EINTR) return false;  // a signal: the caller looks what it means
    if (count < 0) fail(std::strerror(errno));
  }
}

void Wire::send(std::string_view bytes, Clock::time_point until) {
  while (!bytes.empty()) {
    const ssize_t sent =
        ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(std::size_t(sent));
    } else if (errno == EAGAIN) {
      if (!ready(POLLOUT, until) && Clock::now() >= until) fail("no answer in time");
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return;  // refused before it was read: the answer says why
    } else if (errno != EINTR) {
      fail(std::strerror(errno));
    }
  }
}

Wire::Got Wire::receive(std::string& to, Clock::time_point until) {
  if (!ready(POLLIN, until)) return Got::late;
  char room[16384];
  const ssize_t got = ::recv(descriptor_, room, sizeof room, MSG_DONTWAIT);
  if (got > 0) {
    to.append(room, std::size_t(got));
    return Got::bytes;
  }
  if (got == 0 || errno == ECONNRESET) return Got::end;
  if (errno == EAGAIN || errno == EINTR) return Got::late;
  fail(std::strerror(errno));
}

struct Head {
  Answer answer;
  std::size_t length = std::string::npos;  // of the body; npos = until the end
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = char(c + ('a' - 'A'));
  return out;
}

Head parse_head(std::string_view text, const std::string& path) {
  Head head;
  const auto bad = [&] {
    return ClientError("control socket " + path + ": its answer is no HTTP");
  };
  if (!text.starts_with("HTTP/1.") || text.size() < 12) throw bad();
  if (std::from_chars(text.data() + 9, text.data() + 12, head.answer.status).ptr !=
      text.data() + 12)
    throw bad();
  for (std::size_t at = text.find("\r\n"); at != text.npos;) {
    const std::size_t end = text.find("\r\n", at + 2);
    const std::string_view line = text.substr(at + 2, std::min(end, text.size()) - at - 2);
    at = end;
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    const std::string name = lower(line.substr(0, colon));
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "content-type") head.answer.content_type = value;
    if (name == "content-length" &&
        std::from_chars(value.data(), value.data() + value.size(), head.length).ec != std::errc{})
      throw bad();
  }
  if (head.answer.status == 204) head.length = 0;
  return head;
}

// The head of the final answer; what came behind it stays in `bytes`.
Head read_head(Wire& wire, std::string& bytes, const std::string& path, Clock::time_point until) {
  for (;;) {
    if (const std::size_t end = bytes.find("\r\n\r\n"); end != bytes.npos) {
      Head head = parse_head(std::string_view(bytes).substr(0, end), path);
      bytes.erase(0, end + 4);
      if (head.answer.status >= 200) return head;
      continue;
    }
    if (bytes.size() > largest_head)
      throw ClientError("control socket " + path + ": its answer is no HTTP");
    const Wire::Got got = wire.receive(bytes, until);
    if (got == Wire::Got::end)
      throw ClientError("control socket " + path + ": the server closed the connection");
    if (got == Wire::Got::late && Clock::now() >= until)
      throw ClientError("control socket " + path + ": no answer in time");
  }
}

void read_body(Wire& wire, std::string& bytes, Head& head, const std::string& path,
               Clock::time_point until) {
  if (head.length != std::string::npos && head.length > largest_answer)
    throw ClientError("control socket " + path + ": the answer is too large");
  while (bytes.size() < head.length && bytes.size() <= largest_answer) {
    const Wire::Got got = wire.receive(bytes, until);
    if (got == Wire::Got::late && Clock::now() >= until)
      throw ClientError("control socket " + path + ": the answer did not end in time");
    if (got != Wire::Got::end) continue;
    if (head.length == std::string::npos) break;
    throw ClientError("control socket " + path + ": the answer broke off");
  }
  head.answer.body = bytes.substr(0, std::min(bytes.size(), head.length));
}

std::string request_text(std::string_view method, std::string_view target, std::string_view body,
                         std::string_view content_type, std::string_view accept,
                         std::string_view last_id = {}) {
  std::string text =
      fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nAccept: {}\r\nConnection: close\r\n",
                  method, target, accept);
  if (!last_id.empty()) text += fmt::format("Last-Event-ID: {}\r\n", last_id);
  if (!body.empty()) text += fmt::format("Content-Type: {}\r\n", content_type);
  if (method != "GET" && method != "HEAD")
    text += fmt::format("Content-Length: {}\r\n", body.size());
  text += "\r\n";
  text += body;
  return text;
}

// One event of the stream, if it is complete (the blank line has come); takes it out of `bytes`.
bool take_event(std::string& bytes, HttpClient::Event& event) {
  const std::size_t end = bytes.find("\n\n");
  if (end == bytes.npos) return false;
  event = {};
  const std::string block = bytes.substr(0, end);
  bytes.erase(0, end + 2);
  for (std::size_t at = 0; at <= block.size();) {
    const std::size_t stop = std::min(block.find('\n', at), block.size());
    const std::string_view line = std::string_view(block).substr(at, stop - at);
    at = stop + 1;
    if (line.starts_with("id: ")) event.id = line.substr(4);
    if (line.starts_with("event: ")) event.type = line.substr(7);
    if (line.starts_with("data: "))
      event.data += (event.data.empty() ? "" : "\n") + std::string(line.substr(6));
  }
  return true;
}

}  // namespace

std::string Answer::problem() const {
  if (ok()) return {};
  auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("title") || !json["title"].is_string())
    return fmt::format("the server answered {}", status);
  Problem problem{.status = status, .title = json["title"], .detail = {}, .fields = {}};
  if (json.contains("detail") && json["detail"].is_string()) problem.detail = json["detail"];
  if (json.contains("errors") && json["errors"].is_array()) {
    for (auto& each : json["errors"]) {
      if (each.is_object() && each["field"].is_string() && each["detail"].is_string())
        problem.fields.push_back({each["field"], each["detail"]});
    }
  }
  return problem.to_line();
}

HttpClient::HttpClient(std::string socket_path, std::chrono::milliseconds patience)
    : path_(std::move(socket_path)), patience_(patience) {}

Answer HttpClient::request(std::string_view method, std::string_view target, std::string_view body,
                           std::string_view content_type, std::string_view accept) {
  const auto until = Clock::now() + patience_;
  Wire wire(path_);
  wire.send(request_text(method, target, body, content_type, accept), until);
  std::string bytes;
  Head head = read_head(wire, bytes, path_, until);
  if (method == "HEAD") head.length = 0;
  read_body(wire, bytes, head, path_, until);
  return std::move(head.answer);
}

Answer HttpClient::events(std::string_view target, const std::function<bool(const Event&)>& each,
                          const std::function<bool()>& poll, std::string_view last_id) {
  const auto until = Clock::now() + patience_;
  Wire wire(path_);
  wire.send(request_text("GET", target, {}, {}, "text/event-stream", last_id), until);
  std::string bytes;
  Head head = read_head(wire, bytes, path_, until);
  if (head.answer.status != 200) {
    read_body(wire, bytes, head, path_, until);
    return std::move(head.answer);
  }
  Event event;
  for (;;) {
    while (take_event(bytes, event))
      if (!event.data.empty() && !each(event)) return std::move(head.answer);
    if (poll && !poll()) return std::move(head.answer);
    if (bytes.size() > largest_answer)
      throw ClientError("control socket " + path_ + ": an event is too large");
    if (wire.receive(bytes, Clock::now() + poll_interval) == Wire::Got::end)
      return std::move(head.answer);
  }
}

}  // namespace culvert::control

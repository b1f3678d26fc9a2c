#include "dns/upstream_https.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "dns/upstream_server.hpp"

namespace culvert::dns {
namespace {

constexpr std::string_view media_type = "application/dns-message";

nghttp2_nv header(std::string_view name, std::string_view value) {
  // nghttp2 copies both; its type is not const for historical reasons.
  const auto octets = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {octets(name), octets(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// Parameters behind ';' do not change what it is.
bool is_dns_message(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
  return std::equal(type.begin(), type.end(), media_type.begin(), media_type.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

std::string authority_of(const UpstreamAddress& address) {
  std::string out =
      address.host.find(':') != std::string::npos ? "[" + address.host + "]" : address.host;
  if (address.port != 443) out += ":" + std::to_string(address.port);
  return out;
}

}  // namespace

struct HttpsCarrier::Session {
  nghttp2_session* native = nullptr;
  ~Session() { nghttp2_session_del(native); }
};

struct HttpsCarrier::Stream {
  Exchange* exchange = nullptr;  // null: forgotten meanwhile
  std::array<std::byte, max_query> query;
  std::size_t query_size = 0, query_sent = 0;
  std::vector<std::byte> body;
  unsigned status = 0;
  bool right_type = false, too_long = false;
  std::uint32_t age = 0;
  std::uint32_t error = 0;  // of HTTP/2, when it was closed
};

struct HttpsCallbacks {
  using Stream = HttpsCarrier::Stream;

  static Stream* find(void* carrier, std::int32_t id) {
    auto& streams = static_cast<HttpsCarrier*>(carrier)->streams_;
    const auto at = streams.find(id);
    return at == streams.end() ? nullptr : at->second.get();
  }

  static ssize_t read_query(nghttp2_session*, std::int32_t, std::uint8_t* out, std::size_t size,
                            std::uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& stream = *static_cast<Stream*>(source->ptr);
    const std::size_t n = std::min(size, stream.query_size - stream.query_sent);
    std::memcpy(out, stream.query.data() + stream.query_sent, n);
    stream.query_sent += n;
    if (stream.query_sent == stream.query_size) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return ssize_t(n);
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                       std::uint8_t, void* carrier) {
    Stream* const stream = find(carrier, frame->hd.stream_id);
    if (stream == nullptr) return 0;
    const std::string_view key(reinterpret_cast<const char*>(name), name_size);
    const std::string_view text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":status") std::from_chars(text.data(), text.data() + text.size(), stream->status);
    if (key == "content-type") stream->right_type = is_dns_message(text);
    if (key == "age") std::from_chars(text.data(), text.data() + text.size(), stream->age);
    return 0;
  }

  static int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id,
                     const std::uint8_t* data, std::size_t size, void* carrier) {
    Stream* const stream = find(carrier, id);
    if (stream == nullptr || stream->too_long) return 0;
    if (stream->body.size() + size > max_message) {
      stream->too_long = true;
      return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    }
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    stream->body.insert(stream->body.end(), bytes, bytes + size);
    return 0;
  }

  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t error, void* carrier) {
    Stream* const stream = find(carrier, id);
    if (stream == nullptr) return 0;
    stream->error = error;
    static_cast<HttpsCarrier*>(carrier)->ended_.push_back(id);
    return 0;
  }

  // The server goes away: what it has taken it answers, new questions go elsewhere.
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* carrier) {
    if (frame->hd.type == NGHTTP2_GOAWAY) static_cast<HttpsCarrier*>(carrier)->drain();
    return 0;
  }

  static nghttp2_session* make(HttpsCarrier& carrier) {
    nghttp2_session_callbacks* callbacks = nullptr;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) return nullptr;
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session* session = nullptr;
    nghttp2_session_client_new(&session, callbacks, &carrier);
    nghttp2_session_callbacks_del(callbacks);
    return session;
  }
};

HttpsCarrier::HttpsCarrier(Server& server, Surroundings& around, std::unique_ptr<TlsSession> tls,
                           base::Duration idle_timeout)
    : Carrier(server, around, std::move(tls), idle_timeout),
      authority_(authority_of(server.address())),
      session_(std::make_unique<Session>()) {}

HttpsCarrier::~HttpsCarrier() = default;

void HttpsCarrier::opened() noexcept {
  session_->native = HttpsCallbacks::make(*this);
  if (session_->native == nullptr) return break_off();
  constexpr nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                                 {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16384}};
  nghttp2_submit_settings(session_->native, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  const std::vector<Exchange*> waiting = exchanges_;
  for (Exchange* exchange : waiting) submit(*exchange);
}

void HttpsCarrier::send(Exchange& exchange) noexcept {
  exchange.stream = -1;
  exchange.sent.id = 0;  // RFC 8484 section 4.1: so that caches on the way can help
  if (session_->native != nullptr) submit(exchange);
}

void HttpsCarrier::submit(Exchange& exchange) noexcept {
  auto stream = std::make_unique<Stream>();
  stream->exchange = &exchange;
  stream->query_size = write(stream->query, exchange.sent, exchange.flags);
  const std::string length = std::to_string(stream->query_size);
  const nghttp2_nv headers[] = {
      header(":method", "POST"),        header(":scheme", "https"),
      header(":authority", authority_), header(":path", server_.address().path),
      header("accept", media_type),     header("content-type", media_type),
      header("content-length", length)};
  nghttp2_data_provider body{};
  body.source.ptr = stream.get();
  body.read_callback = HttpsCallbacks::read_query;
  const std::int32_t id = nghttp2_submit_request(session_->native, nullptr, headers,
                                                 std::size(headers), &body, nullptr);
  if (id < 0) return break_off();  // no stream is left: all are asked again on another connection
  exchange.stream = id;
  streams_.emplace(id, std::move(stream));
}

void HttpsCarrier::forgotten(Exchange& exchange) noexcept {
  const auto at = streams_.find(exchange.stream);
  if (at == streams_.end()) return;
  at->second->exchange = nullptr;
  nghttp2_submit_rst_stream(session_->native, NGHTTP2_FLAG_NONE, exchange.stream, NGHTTP2_CANCEL);
}

void HttpsCarrier::received(base::Bytes bytes) noexcept {
  if (session_->native == nullptr) return;
  const ssize_t n = nghttp2_session_mem_recv(
      session_->native, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  tell_ended();
  if (n < 0 || !nghttp2_session_want_read(session_->native)) break_off();
}

void HttpsCarrier::before_flush() noexcept {
  if (session_->native == nullptr) return;
  const std::uint8_t* data = nullptr;
  ssize_t size = 0;
  while ((size = nghttp2_session_mem_send(session_->native, &data)) > 0)
    connection_.write({reinterpret_cast<const std::byte*>(data), std::size_t(size)});
  if (size < 0) break_off();
}

// Whoever is told may ask again here, and what ends by that comes in the next round.
void HttpsCarrier::tell_ended() noexcept {
  while (!ended_.empty()) {
    const std::int32_t id = ended_.back();
    ended_.pop_back();
    const auto at = streams_.find(id);
    if (at == streams_.end()) continue;
    const std::unique_ptr<Stream> stream = std::move(at->second);
    streams_.erase(at);
    if (stream->exchange != nullptr) conclude(*stream);
  }
}

void HttpsCarrier::conclude(Stream& stream) noexcept {
  Exchange& exchange = *stream.exchange;
  // RFC 9113 section 8.7: nothing was done about it, so it may be sent again.
  if (stream.error == NGHTTP2_REFUSED_STREAM) return lose_one(exchange);
  if (stream.error != NGHTTP2_NO_ERROR || stream.status != 200 || !stream.right_type)
    return fail(exchange, stream.too_long ? Failure::protocol : Failure::network);
  const Fit found = fit(stream.body, exchange.sent, exchange.flags.edns);
  if (found != Fit::yes && found != Fit::refused_opt) {
    server_.figures().bogus();
    return fail(exchange, Failure::protocol);
  }
  age_message(stream.body, stream.age);
  reply(exchange, found, stream.body);
}

void age_message(base::MutableBytes message, std::uint32_t seconds) noexcept {
  if (seconds == 0) return;
  MessageReader reader(message);
  Record record;
  while (reader.next(record)) {
    if (record.type == type::opt) continue;
    const std::uint32_t left = record.ttl > seconds ? record.ttl - seconds : 0;
    for (unsigned i = 0; i < 4; ++i)
      message[record.ttl_offset + i] = std::byte(left >> (24 - 8 * i) & 0xff);
  }
}

}  // namespace culvert::dns

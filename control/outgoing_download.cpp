#include "control/outgoing_download.hpp"

#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <exception>
#include <utility>
#include <vector>

#include "control/http_connector.hpp"
#include "control/unpacked_file.hpp"
#include "control/uri.hpp"

namespace culvert::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Parser = http::response_parser<http::buffer_body>;

constexpr std::size_t max_header = 16 * 1024, piece = 64 * 1024;

http::request<http::empty_body> build(const DownloadRequest& request, const Url& url) {
  http::request<http::empty_body> message(http::verb::get, url.target, 11);
  message.set(http::field::host, url.authority());
  message.set(http::field::user_agent, "culvert");
  message.set(http::field::accept, "text/plain, */*;q=0.5");
  message.set(http::field::accept_encoding, "gzip");
  message.set(http::field::connection, "close");
  if (!request.etag.empty()) message.set(http::field::if_none_match, request.etag);
  if (!request.last_modified.empty())
    message.set(http::field::if_modified_since, request.last_modified);
  return message;
}

bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// One answer, of one of the servers that the way leads over.
struct Fetch {
  const DownloadRequest& request;
  const Url& url;
  DownloadReply& reply;
  std::string& location;  // where it is instead, if that is the answer

  template <class Stream>
  asio::awaitable<std::string> operator()(Stream& stream) {
    const auto message = build(request, url);
    error_code error;
    co_await http::async_write(stream, message, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return HttpConnector::words("send", error);
    beast::flat_buffer buffer(max_header + piece);
    Parser parser;
    parser.header_limit(max_header);
    parser.body_limit(request.max_size);
    co_await http::async_read_header(stream, buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return receive_error(error);
    std::string why = read_head(parser.get());
    if (!why.empty() || !location.empty() || reply.status != 200) co_return why;
    why = co_await read_body(stream, buffer, parser);
    co_return why;
  }

  std::string receive_error(error_code error) const {
    if (error == http::error::body_limit)
      return fmt::format("it has more than {} bytes", request.max_size);
    return HttpConnector::words("receive", error);
  }

  std::string read_head(const Parser::value_type& head) {
    const unsigned status = head.result_int();
    const auto text = [&head](http::field field) {
      const auto value = head[field];
      return std::string(value.data(), value.size());
    };
    if (is_redirect(status)) {
      location = text(http::field::location);
      return location.empty() ? "a redirect to nowhere" : "";
    }
    const bool conditional = !request.etag.empty() || !request.last_modified.empty();
    if (status != 200 && !(status == 304 && conditional))
      return fmt::format("HTTP status {}", status);
    const std::string coding = text(http::field::content_encoding);
    if (status == 200 && !coding.empty() && coding != "gzip" && coding != "x-gzip" &&
        coding != "identity")
      return fmt::format("it is packed as \"{}\", which was not asked for", shown(coding));
    reply.status = int(status);
    reply.etag = text(http::field::etag);
    reply.last_modified = text(http::field::last_modified);
    return {};
  }

  template <class Stream>
  asio::awaitable<std::string> read_body(Stream& stream, beast::flat_buffer& buffer,
                                         Parser& parser) {
    UnpackedFile file(request.file, request.max_size);
    std::string why = file.open();
    std::vector<char> room(piece);
    while (why.empty() && !parser.is_done()) {
      auto& body = parser.get().body();
      body.data = room.data();
      body.size = room.size();
      error_code error;
      co_await http::async_read(stream, buffer, parser,
                                asio::redirect_error(asio::use_awaitable, error));
      if (error && error != http::error::need_buffer) co_return receive_error(error);
      why = file.write({room.data(), room.size() - body.size});
    }
    if (why.empty()) why = file.finish();
    reply.bytes = file.size();
    co_return why;
  }
};

}  // namespace

asio::awaitable<DownloadReply> download(HttpConnector& connector, DownloadRequest request) {
  DownloadReply reply;
  std::string why;
  try {
    const auto until = HttpConnector::Clock::now() + request.timeout;
    auto url = Url::parse(request.url);
    if (!url) why = "not a URL of http or https";
    for (unsigned redirects = 0; why.empty();) {
      std::string location;
      Fetch talk{request, *url, reply, location};
      why = co_await connector.talk(*url, request.ca_file, until, talk);
      if (!why.empty() || location.empty()) break;
      const auto next = url->resolve(location);
      if (!next)
        why =
            fmt::format("a redirect to \"{}\", which is no URL of http or https", shown(location));
      else if (url->tls && !next->tls)
        why = fmt::format("a redirect from https to {}, which is not encrypted", next->shown());
      else if (++redirects > most_redirects)
        why = fmt::format("more than {} redirects", most_redirects);
      else
        url = next;
    }
  } catch (const std::exception& error) {
    why = error.what();
  }
  if (!why.empty()) {
    reply = {};
    reply.error = std::move(why);
  }
  co_return reply;
}

}  // namespace culvert::control

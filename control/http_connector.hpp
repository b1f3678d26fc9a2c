// HttpConnector: the way to an HTTP or HTTPS server: its name is looked up, one of its addresses
// answers, its certificate and name are checked. For OutgoingHttp alone, whose requests are spoken
// over what it opens.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl.hpp>
#include <map>
#include <memory>
#include <string>

#include "control/name_lookup.hpp"
#include "control/url.hpp"

namespace culvert::control {

class HttpConnector {
 public:
  using Clock = NameLookup::Clock;
  using Plain = boost::beast::tcp_stream;
  using Secured = boost::beast::ssl_stream<Plain>;

  explicit HttpConnector(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  // Calls talk(stream), which returns an awaitable<std::string>, once there is a stream; all of it
  // ends at `until`. What went wrong, in words; "" if nothing did. May throw.
  template <class Talk>
  boost::asio::awaitable<std::string> talk(const Url& url, const std::string& ca_file,
                                           Clock::time_point until, Talk& talk) {
    Plain plain(executor_);
    std::string why = co_await connect(plain, url, until);
    if (!why.empty()) co_return why;
    if (!url.tls) {
      plain.expires_at(until);
      why = co_await talk(plain);
      co_return why;
    }
    const auto trust = context(ca_file);
    Secured secured(std::move(plain), *trust);
    why = co_await secure(secured, url, until);
    if (why.empty()) why = co_await talk(secured);
    co_return why;
  }

  static std::string words(const std::string& what, boost::system::error_code error);

 private:
  struct Cached {
    std::shared_ptr<boost::asio::ssl::context> context;
    Clock::time_point loaded;
  };

  boost::asio::awaitable<std::string> connect(Plain& stream, const Url& url,
                                              Clock::time_point until);
  boost::asio::awaitable<std::string> secure(Secured& stream, const Url& url,
                                             Clock::time_point until);
  std::shared_ptr<boost::asio::ssl::context> context(const std::string& ca_file);

  boost::asio::any_io_executor executor_;
  NameLookup names_;
  std::map<std::string, Cached> contexts_;
};

}  // namespace culvert::control

// Any path and query: an answer of the API, never a failure inside it.
#include <cstddef>
#include <cstdint>
#include <string>

#include "control/uri.hpp"
#include "tests/control/support/fake_api.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert::control;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto decoded = url_decode(text)) {
    if (url_decode(url_encode(*decoded)) != *decoded) __builtin_trap();
  }
  FakeApi fake;
  fake.server.put("laptop", 1, Source::file);
  for (const std::string& target : {text, "/v1/usage?" + text, "/v1/flows?" + text,
                                    "/v1/events?" + text, "/v1/peers/" + text}) {
    Request request = FakeApi::request("GET", target);
    request.fields.emplace_back("Accept", text);
    request.fields.emplace_back("Last-Event-ID", text);
    if (fake.ask(request).status >= 500) __builtin_trap();
  }
  return 0;
}

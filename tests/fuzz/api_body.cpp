// Any bytes as the body of a change: JSON that everybody takes for JSON, or a problem document.
#include <cstddef>
#include <cstdint>
#include <string>

#include "control/json_body.hpp"
#include "tests/control/support/fake_api.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert::control;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto parsed = parse_json(text);
  if (parsed && !nlohmann::json::accept(text)) __builtin_trap();
  if (!parsed && !nlohmann::json::accept(problem_text(parsed.problem()))) __builtin_trap();

  FakeApi fake;
  fake.server.put("phone", 2, Source::database).definition = R"({"name":"phone"})";
  for (auto& request : {FakeApi::request("POST", "/v1/peers", text),
                        FakeApi::request("PATCH", "/v1/peers/phone", text)}) {
    const Response response = fake.ask(request);
    if (response.status >= 500 || !nlohmann::json::accept(response.body)) __builtin_trap();
  }
  return 0;
}

// Router: which handler a method and a path lead to.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/http.hpp"
#include "control/outcome.hpp"

namespace culvert::control {

// A request that found its route.
struct Call {
  Request request;
  std::string argument;  // what stands in the place of {…} in the path, decoded
};

enum class Takes : std::uint8_t { nothing, json, merge_patch };

struct Route {
  std::string_view method;
  std::string_view path;  // "/v1/peers/{peer}"; at most one {…}
  Takes takes = Takes::nothing;
  bool open = false;  // needs no token
  std::function<boost::asio::awaitable<Response>(Call)> handler;
};

class Router {
 public:
  explicit Router(std::vector<Route> routes);

  struct Match {
    const Route* route = nullptr;  // null: see `problem`
    std::string argument{};
    Problem problem{};
    HeaderFields fields{};  // Allow
  };
  // HEAD goes where GET goes.
  Match find(const Request& request) const;
  const std::vector<Route>& routes() const noexcept { return routes_; }

 private:
  struct Entry {
    std::vector<std::string> segments;
  };
  std::vector<Route> routes_;
  std::vector<Entry> entries_;
};

// A body that this route does not take, by what its head says of it.
std::optional<Problem> wrong_body(const Route& route, const Request& head);

}  // namespace culvert::control

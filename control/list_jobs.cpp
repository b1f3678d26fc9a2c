#include "control/list_jobs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "base/file_descriptor.hpp"
#include "control/child_process.hpp"
#include "control/frame_channel.hpp"
#include "control/list_index.hpp"
#include "control/unpacked_file.hpp"

namespace culvert::control {
namespace {

namespace asio = boost::asio;
using nlohmann::json;

// A child that had no CPU for so long waits for a disk or a file server that does not answer. How
// much it may have in all is limited by confine_to_files().
constexpr auto stall_limit = std::chrono::seconds(120);
constexpr int later_nice = 10;

[[noreturn]] void fail(const std::string& path, const char* why = nullptr) {
  throw std::runtime_error(path + ": " + (why ? why : std::strerror(errno)));
}

// A pipe or a device in the place of a list would never end.
base::FileDescriptor open_list(const std::string& path) {
  base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) fail(path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail(path);
  if (!S_ISREG(status.st_mode)) fail(path, "not a file");
  return file;
}

template <class Each>
void read_all(const std::string& path, Each each) {
  const base::FileDescriptor file = open_list(path);
  std::vector<char> room(256 * 1024);
  for (;;) {
    const ssize_t got = ::read(file.get(), room.data(), room.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path);
    if (got == 0) return;
    each(std::string_view(room.data(), std::size_t(got)));
  }
}

void copy(const std::string& from, const std::string& to, std::uint64_t max_size) {
  UnpackedFile file(to, max_size);
  const auto check = [](const std::string& why) {
    if (!why.empty()) throw std::runtime_error(why);
  };
  check(file.open());
  read_all(from, [&](std::string_view bytes) { check(file.write(bytes)); });
  check(file.finish());
}

struct Digest {
  Digest() : context(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  }
  void add(std::string_view bytes) { EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()); }
  std::string finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context.get(), raw.data(), &size);
    std::string text;
    for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", raw[i]);
    return text;
  }
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context;
};

json take(const dns::ListSettings& list, const std::string& from, const std::string& to) {
  if (!from.empty() && !to.empty()) copy(from, to, list.max_size);
  Digest digest;
  std::uint64_t bytes = 0;
  dns::ListParser parser(list, [](const dns::Rule&, bool) {});
  read_all(to.empty() ? from : to, [&](std::string_view piece) {
    bytes += piece.size();
    if (bytes > list.max_size) throw std::runtime_error("it is larger than max_size");
    digest.add(piece);
    parser.feed(piece);
  });
  return {{"report", to_json(parser.finish())}, {"bytes", bytes}, {"digest", digest.finish()}};
}

json to_json(const dns::CompileReport& report) {
  json lists = json::array();
  for (const dns::CompiledList& each : report.lists)
    lists.push_back({{"report", control::to_json(each.report)}, {"error", each.error}});
  return {{"lists", std::move(lists)},
          {"rules", report.rules},
          {"bytes", report.bytes},
          {"generation", report.generation}};
}

dns::CompileReport read_compile_report(const json& value) {
  dns::CompileReport report;
  for (const json& each : value.at("lists"))
    report.lists.push_back({read_report(each.at("report")), each.at("error").get<std::string>()});
  value.at("rules").get_to(report.rules);
  value.at("bytes").get_to(report.bytes);
  value.at("generation").get_to(report.generation);
  return report;
}

// One frame, as FrameChannel reads it; the socket does not block.
void send_frame(int socket, const std::string& text) {
  const auto size = std::uint32_t(text.size());
  std::string frame{char(size >> 24), char(size >> 16), char(size >> 8), char(size)};
  frame += text;
  for (std::size_t at = 0; at < frame.size();) {
    const ssize_t sent = ::write(socket, frame.data() + at, frame.size() - at);
    if (sent > 0) at += std::size_t(sent);
    if (sent > 0 || (sent < 0 && errno == EINTR)) continue;
    pollfd wait{socket, POLLOUT, 0};
    if (errno != EAGAIN || ::poll(&wait, 1, 10'000) <= 0) return;
  }
}

// Among the processes that run when no other wants to, and on the disk as well. Where the kernel
// refuses, the child is an ordinary one.
void take_what_is_left() noexcept {
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_IDLE, &none);
  constexpr int of_process = 1, idle_class = 3 << 13;  // linux/ioprio.h
  ::syscall(SYS_ioprio_set, of_process, 0, idle_class);
}

void come_among_ordinary(pid_t child) noexcept {
  const sched_param none{};
  ::sched_setscheduler(child, SCHED_BATCH, &none);
  ::setpriority(PRIO_PROCESS, id_t(child), later_nice);
}

// The CPU that a child has had.
std::chrono::nanoseconds cpu_of(pid_t child) noexcept {
  clockid_t clock{};
  timespec had{};
  if (::clock_getcpuclockid(child, &clock) != 0 || ::clock_gettime(clock, &had) != 0) return {};
  return std::chrono::seconds(had.tv_sec) + std::chrono::nanoseconds(had.tv_nsec);
}

// What the child said, and the timer that its coroutine waits by.
struct Answer {
  explicit Answer(const asio::any_io_executor& executor) : timer(executor) {}
  bool is_there() const noexcept { return frame || ended; }
  std::optional<std::string> frame;
  bool ended = false;
  asio::steady_timer timer;
};

// Until it is there, or the child gets nowhere.
asio::awaitable<void> wait_for(const std::shared_ptr<Answer> answer, pid_t child) {
  boost::system::error_code ignored;
  auto had = std::chrono::nanoseconds(-1);
  auto moved = std::chrono::steady_clock::now();
  while (!answer->is_there()) {
    const auto now = std::chrono::steady_clock::now();
    if (const auto has = cpu_of(child); has != had) had = has, moved = now;
    if (now - moved >= stall_limit) co_return;
    answer->timer.expires_after(ListJobs::patience);
    co_await answer->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (!answer->is_there()) come_among_ordinary(child);
  }
}

}  // namespace

ListJobs::Awaitable<json> ListJobs::run(Work work, std::vector<int> keep) {
  const auto executor = co_await asio::this_coro::executor;
  const auto main = [&work, haste = haste_](int socket) {
    if (!haste) take_what_is_left();
    confine_to_files();
    json reply;
    try {
      reply = {{"done", work()}};
    } catch (const std::exception& error) {
      reply = {{"error", error.what()}};
    }
    send_frame(socket, reply.dump(-1, ' ', false, json::error_handler_t::replace));
  };
  auto child = ChildProcess::start({"culvert-lists", std::move(keep), in_child_}, main);
  if (!child) co_return base::Error{child.error()};
  pid_ = child->pid();
  const auto answer = std::make_shared<Answer>(executor);
  const auto channel = FrameChannel::start(
      executor, child->take_socket(),
      [answer](const std::string& frame) {
        answer->frame = frame;
        answer->timer.cancel();
      },
      [answer] {
        answer->ended = true;
        answer->timer.cancel();
      });
  co_await wait_for(answer, child->pid());
  come_among_ordinary(child->pid());  // it needs the CPU to end, too
  channel->close();
  child->end();
  pid_ = 0;
  if (!answer->frame && answer->ended)
    co_return base::Error{"the process ended before it was done"};
  if (!answer->frame)
    co_return base::Error{fmt::format("it had no CPU for {} s", stall_limit.count())};
  json reply = json::parse(*answer->frame, nullptr, false);
  if (!reply.is_object()) co_return base::Error{"the process said nonsense"};
  if (reply.contains("error")) co_return base::Error{reply.value("error", "")};
  json done = reply.value("done", json());
  co_return done;
}

ListJobs::Awaitable<ListJobs::Taken> ListJobs::take_in(dns::ListSettings list, std::string from,
                                                       std::string to) {
  Work work = [&] { return take(list, from, to); };
  const auto reply = co_await run(std::move(work), {});
  if (!reply) co_return base::Error{reply.error()};
  Taken taken;
  try {
    taken.report = read_report(reply->at("report"));
    reply->at("bytes").get_to(taken.bytes);
    reply->at("digest").get_to(taken.digest);
  } catch (const json::exception& error) {
    co_return base::Error{error.what()};
  }
  co_return taken;
}

ListJobs::Awaitable<dns::CompileReport> ListJobs::compile(std::vector<dns::ListSource> lists,
                                                          int fd) {
  Work work = [&] {
    base::SystemRandom random;
    const auto report = dns::compile_rules(lists, fd, random);
    if (!report) throw std::runtime_error(report.error());
    return to_json(*report);
  };
  std::vector<int> keep{fd};
  const auto reply = co_await run(std::move(work), std::move(keep));
  if (!reply) co_return base::Error{reply.error()};
  dns::CompileReport report;
  try {
    report = read_compile_report(*reply);
  } catch (const json::exception& error) {
    co_return base::Error{error.what()};
  }
  co_return report;
}

ListJobs::Awaitable<ListJobs::Lines> ListJobs::find(std::vector<dns::ListSource> lists,
                                                    dns::Name name) {
  Work work = [&] {
    json all = json::array();
    for (const dns::ListSource& each : lists) {
      json found = json::array();
      for (const dns::RuleLine& line : dns::find_lines(each, name, most_lines))
        found.push_back({line.line, line.text});
      all.push_back(std::move(found));
    }
    return all;
  };
  const auto reply = co_await run(std::move(work), {});
  if (!reply) co_return base::Error{reply.error()};
  Lines all;
  try {
    for (const json& list : *reply) {
      auto& lines = all.emplace_back();
      for (const json& line : list)
        lines.push_back({line.at(0).get<std::uint32_t>(), line.at(1).get<std::string>()});
    }
  } catch (const json::exception& error) {
    co_return base::Error{error.what()};
  }
  all.resize(lists.size());
  co_return all;
}

}  // namespace culvert::control

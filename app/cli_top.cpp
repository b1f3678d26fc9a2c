// top: a table of the peers that stays current. On a terminal it takes the whole screen and listens
// to keys; elsewhere it prints lines.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli.hpp"
#include "app/control_client.hpp"
#include "app/human.hpp"
#include "app/top_view.hpp"

namespace culvert::app {
namespace {

using control::HttpClient;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

struct Options : ControlOptions {
  double interval = 1;
  unsigned count = 0;
};

volatile sig_atomic_t stopped = 0;

// The whole screen, its keys one by one; what was there comes back at the end, also after a signal.
class Screen {
 public:
  Screen() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) throw CommandError("the terminal has no modes");
    struct sigaction action {};
    action.sa_handler = [](int) { stopped = 1; };
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaction(signal, &action, nullptr);
    action.sa_handler = [](int) {};  // a new size ends the wait
    ::sigaction(SIGWINCH, &action, nullptr);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    print("\033[?1049h\033[?25l");
  }
  ~Screen() {
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    constexpr std::string_view back = "\033[?25h\033[?1049l";
    [[maybe_unused]] const ssize_t put = ::write(STDOUT_FILENO, back.data(), back.size());
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  static winsize size() {
    winsize found{};
    const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) == 0 && found.ws_col > 0;
    return known ? found : winsize{24, 80, 0, 0};
  }

  static void draw(const std::vector<std::string>& lines) {
    std::string text = "\033[H";
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const bool heading = i == 1;
      // Cleared first: behind a full line there is no place for it.
      text += fmt::format("\033[K{}{}{}{}", heading ? "\033[7m" : "", lines[i],
                          heading ? "\033[0m" : "", i + 1 < lines.size() ? "\r\n" : "");
    }
    print(text + "\033[J");
  }

  // Keys that come until then; true if any did.
  static bool keys(TopView& view, Clock::time_point until) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    pollfd wait{STDIN_FILENO, POLLIN, 0};
    const int count = ::poll(&wait, 1, static_cast<int>(std::max<long>(left.count(), 0)));
    if (count < 0) return errno == EINTR;
    if (count == 0) return false;
    char bytes[64];
    const ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (got <= 0) view.quit = true;
    for (ssize_t i = 0; i < got; ++i) {
      const bool arrow =
          bytes[i] == '\033' && i + 2 < got && (bytes[i + 1] == '[' || bytes[i + 1] == 'O');
      if (arrow) i += 2;
      view.press(bytes[i], arrow);
    }
    return true;
  }

 private:
  termios before_{};
};

json peers_of(HttpClient& client) {
  return human::member(ask(client, "GET", "/v1/peers"), "peers");
}

base::WallTime now() {
  return base::WallTime(std::chrono::system_clock::now());
}

int lines(const Options& options, HttpClient& client, Clock::duration interval) {
  TopView view;
  struct sigaction ignored {};
  ignored.sa_handler = SIG_IGN;  // a reader that left is a failed write
  ::sigaction(SIGPIPE, &ignored, nullptr);
  for (unsigned i = 0; options.count == 0 || i < options.count; ++i) {
    const auto next = Clock::now() + interval;
    const json peers = peers_of(client);
    print(options.json ? peers.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"
                       : top_plain(peers, view, now()));
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(next - Clock::now());
    if (i + 1 != options.count && left.count() > 0) ::usleep(static_cast<useconds_t>(left.count()));
  }
  return exit_done;
}

int full_screen(const Options& options, HttpClient& client, Clock::duration interval) {
  // The first answer before the screen is taken: an error then stands where it can be read.
  json status = ask(client, "GET", "/v1/status"), peers = peers_of(client);
  TopView view;
  const Screen screen;
  for (unsigned i = 0; stopped == 0 && !view.quit;) {
    const auto next = Clock::now() + interval;
    do {
      const winsize size = Screen::size();
      Screen::draw(top_lines(status, peers, view, size.ws_col, size.ws_row, now()));
    } while (Screen::keys(view, next) && stopped == 0 && !view.quit);
    if (++i == options.count || stopped != 0 || view.quit) break;
    status = ask(client, "GET", "/v1/status");
    peers = peers_of(client);
  }
  return exit_done;
}

int top(const Options& options) {
  HttpClient client(control_socket(options));
  const auto interval =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.interval));
  const char* terminal = std::getenv("TERM");
  const bool screen = !options.json && ::isatty(STDOUT_FILENO) == 1 &&
                      ::isatty(STDIN_FILENO) == 1 && terminal != nullptr &&
                      std::string_view(terminal) != "dumb" && *terminal != '\0';
  return screen ? full_screen(options, client, interval) : lines(options, client, interval);
}

}  // namespace

void add_top_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "top", "the peers, live: rates, flows, quotas; lines where there is no terminal");
  add_control_options(*command, *options);
  command->add_option("--interval", options->interval, "seconds from one look to the next")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command->add_option("--count", options->count, "looks, then it ends; 0: it does not")
      ->capture_default_str();
  command->callback([&action, options] { action = [options] { return top(*options); }; });
}

}  // namespace culvert::app

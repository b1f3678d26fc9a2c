// genkey, pubkey, genpsk: as wg(8) does them.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>

#include "app/cli.hpp"
#include "app/config_node.hpp"
#include "base/random.hpp"
#include "wg/keys.hpp"

namespace culvert::app {
namespace {

void warn_of_open_output() {
  struct stat status {};
  if (::fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode) &&
      (status.st_mode & 077u) != 0)
    fmt::print(stderr,
               "warning: the key goes to a file that others can read; umask 077 is better\n");
}

int print_secret(const base::Secret<wg::key_size>& key) {
  warn_of_open_output();
  print(wg::secret_key_text(key) + "\n");
  return exit_done;
}

int pubkey() {
  std::string line;
  std::getline(std::cin, line);
  const auto key = wg::parse_secret_key(trim(line));
  if (!key)
    throw CommandError("no private key on standard input, expected 44 characters of base64");
  print(wg::public_key_of(*key).to_string() + "\n");
  return exit_done;
}

}  // namespace

void add_key_commands(CLI::App& app, Action& action) {
  app.add_subcommand("genkey", "print a new private key")->callback([&] {
    action = [] {
      base::SystemRandom random;
      return print_secret(wg::generate_private_key(random));
    };
  });
  app.add_subcommand("pubkey", "read a private key from standard input, print its public key")
      ->callback([&] { action = pubkey; });
  app.add_subcommand("genpsk", "print a new preshared key")->callback([&] {
    action = [] {
      base::SystemRandom random;
      return print_secret(wg::generate_preshared_key(random));
    };
  });
}

}  // namespace culvert::app

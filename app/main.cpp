#include "app/command_line.hpp"
#include "app/run.hpp"

int main(int argc, char** argv) {
  return culvert::app::run_command_line(argc, argv, culvert::app::run_server);
}

// The main function of every unit test binary.
#ifndef CULVERT_CATCH2_V3
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif

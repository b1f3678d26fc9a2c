# How a folder becomes a library whose include path holds only its own dependencies.
#
# Sources say #include "base/ip.hpp". Each library publishes exactly one directory that contains
# exactly one entry, its own folder, so a folder that is not a dependency cannot be included.

add_library(culvert_flags INTERFACE)
target_compile_features(culvert_flags INTERFACE cxx_std_20)
target_compile_options(culvert_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # GCC 12: false alarms on std::string
  -fno-strict-aliasing -fstack-protector-strong
  $<$<BOOL:${CULVERT_WERROR}>:-Werror>)
# What a library is instrumented with, lwIP too. A fuzzer sees only code that counts its branches.
set(culvert_instrument)
if(CULVERT_SANITIZE)
  list(APPEND culvert_instrument
    -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
endif()
if(CULVERT_FUZZ)
  list(APPEND culvert_instrument -fsanitize=fuzzer-no-link)
endif()
target_compile_options(culvert_flags INTERFACE ${culvert_instrument})
if(CULVERT_SANITIZE)
  target_compile_options(culvert_flags INTERFACE
    # False alarms of instrumented code, the second about the frames of coroutines.
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized$<SEMICOLON>-Wno-mismatched-new-delete>)
  target_link_options(culvert_flags INTERFACE -fsanitize=address,undefined)
else()
  target_compile_options(culvert_flags INTERFACE
    -fstack-clash-protection $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3>)
  target_compile_definitions(culvert_flags INTERFACE _GLIBCXX_ASSERTIONS)
  target_link_options(culvert_flags INTERFACE -Wl,-z,relro,-z,now -Wl,-z,noexecstack)
endif()

# culvert_library(NAME SOURCES a.cpp ... DEPENDS base ... PRIVATE_DEPENDS sodium ...)
function(culvert_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  set(door ${CMAKE_BINARY_DIR}/include/${name})
  file(MAKE_DIRECTORY ${door})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${door}/${name} SYMBOLIC)
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${door})
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS} PRIVATE culvert_flags ${ARG_PRIVATE_DEPENDS})
endfunction()

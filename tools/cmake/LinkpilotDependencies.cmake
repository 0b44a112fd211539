# Every library of others that LinkPilot links, found once. All are Debian 12 packages (tools/setup
# names them); where each may be used is in ARCHITECTURE.md, "Dependencies".

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Eigen3 REQUIRED)
find_package(PkgConfig REQUIRED)
# Not find_package(CapnProto): its config file looks for libatomic outside the compiler's folder.
pkg_check_modules(capnp REQUIRED IMPORTED_TARGET capnp)
pkg_check_modules(zmq REQUIRED IMPORTED_TARGET libzmq)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(sqlite REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(cares REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(curl REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)
find_package(OpenSSL REQUIRED)
if(LINKPILOT_TESTS)
  find_package(GTest REQUIRED)
  find_package(benchmark REQUIRED)
endif()

# Asio 1.22 asks whether std::aligned_alloc exists before it has included a standard header, so the
# answer would depend on the include order of each file: two allocators in one program.
add_compile_definitions(ASIO_DISABLE_STD_ALIGNED_ALLOC)

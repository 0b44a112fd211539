# The Debian packages: what is in them beside programs, and what CPack is told about them. tools/package
# builds them; `cmake --install` without a component leaves out what belongs to packages only.
#
#   agent       linkpilot-agent        program, unit, init script, default file, example, manual pages
#   collector   linkpilot-collector    the same
#   cli         linkpilot              program, completion, manual page
#   routes      liblinkpilot-routes0   what a media server loads
#   routes_dev  liblinkpilot-routes-dev

set(LINKPILOT_MAINTAINER "LinkPilot maintainers <linkpilot@example.org>" CACHE STRING
    "Who answers for the packages, as Debian writes it")
set(package_files ${CMAKE_CURRENT_LIST_DIR}/package)

# The moment that stands in all files made: of the commit, unless SOURCE_DATE_EPOCH says otherwise.
if("$ENV{SOURCE_DATE_EPOCH}" STREQUAL "")
  execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} log -1 --format=%ct
    OUTPUT_VARIABLE commit_time OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(commit_time STREQUAL "")
    file(TIMESTAMP ${CMAKE_SOURCE_DIR}/CMakeLists.txt commit_time "%s")
  endif()
  set(ENV{SOURCE_DATE_EPOCH} ${commit_time})
endif()

# What only a package brings: lp_package_install(COMPONENT install-arguments...)
function(lp_package_install component)
  install(${ARGN} COMPONENT ${component} EXCLUDE_FROM_ALL)
endfunction()

# Changelog and copyright, which each package has.
function(lp_package_documents component package)
  set(folder ${CMAKE_BINARY_DIR}/packages/${package})
  string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
  file(WRITE ${folder}/changelog
    "linkpilot (${PROJECT_VERSION}) unstable; urgency=medium\n\n"
    "  * Release ${PROJECT_VERSION}; the repository's log says what changed.\n\n"
    " -- ${LINKPILOT_MAINTAINER}  ${date}\n")
  execute_process(COMMAND gzip -9nf ${folder}/changelog COMMAND_ERROR_IS_FATAL ANY)
  lp_package_install(${component} FILES ${folder}/changelog.gz ${package_files}/copyright
    DESTINATION /usr/share/doc/${package})
endfunction()

# lp_manual(COMPONENT program|config SOURCE SECTION|NAME SYNOPSIS HAND_WRITTEN)
# A page of HAND_WRITTEN and of what SOURCE, a program or a commented default file, says about itself.
function(lp_manual component kind source which synopsis more)
  get_filename_component(page ${more} NAME)
  string(REGEX MATCH "[0-9]$" section ${page})
  set(out ${CMAKE_BINARY_DIR}/packages/${page}.gz)
  set(subject ${source})
  if(kind STREQUAL program)
    set(subject $<TARGET_FILE:${source}>)
  endif()
  set(script ${CMAKE_SOURCE_DIR}/tools/cmake/manual_page.py)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -E env SOURCE_DATE_EPOCH=$ENV{SOURCE_DATE_EPOCH}
      /usr/bin/python3 ${script} ${kind} ${out} ${subject} ${which} ${synopsis} ${more} ${PROJECT_VERSION}
    DEPENDS ${source} ${script} ${more} VERBATIM)
  add_custom_target(manual_${page} DEPENDS ${out})
  add_dependencies(package_contents manual_${page})
  lp_package_install(${component} FILES ${out} DESTINATION /usr/share/man/man${section})
endfunction()

# lp_daemon_package(NAME SUMMARY ... GROUP ... STATE ... PURGED files OTHER_CONFIG ...)
# linkpilot-NAME from NAME/package and the templates that both daemons share.
function(lp_daemon_package name)
  cmake_parse_arguments(ARG "" "SUMMARY;GROUP;STATE;FILES_MAX;START_SECONDS;STOP_SECONDS;RESTART_SIGNAL;OTHER_CONFIG"
                        "PURGED" ${ARGN})
  set(PACKAGE linkpilot-${name})
  set(USER ${PACKAGE})
  set(CONFIG /etc/linkpilot/${name}.toml)
  foreach(value SUMMARY GROUP STATE FILES_MAX START_SECONDS STOP_SECONDS RESTART_SIGNAL OTHER_CONFIG)
    set(${value} ${ARG_${value}})
  endforeach()
  list(JOIN ARG_PURGED " " PURGED)
  set(folder ${CMAKE_BINARY_DIR}/packages/${PACKAGE})
  foreach(file init logrotate default postinst prerm postrm)
    configure_file(${package_files}/${file}.in ${folder}/${file} @ONLY)
  endforeach()
  file(WRITE ${folder}/conffiles
    "/etc/default/${PACKAGE}\n/etc/init.d/${PACKAGE}\n/etc/logrotate.d/${PACKAGE}\n")

  set(source ${CMAKE_SOURCE_DIR}/${name})
  lp_package_install(${name} FILES ${source}/package/${PACKAGE}.service DESTINATION /lib/systemd/system)
  lp_package_install(${name} PROGRAMS ${folder}/init DESTINATION /etc/init.d RENAME ${PACKAGE})
  lp_package_install(${name} FILES ${folder}/default DESTINATION /etc/default RENAME ${PACKAGE})
  lp_package_install(${name} FILES ${folder}/logrotate DESTINATION /etc/logrotate.d RENAME ${PACKAGE})
  lp_package_install(${name} DIRECTORY DESTINATION /etc/linkpilot)
  lp_package_install(${name} FILES ${source}/package/README.Debian DESTINATION /usr/share/doc/${PACKAGE})
  lp_package_install(${name} FILES ${source}/${name}.toml DESTINATION /usr/share/doc/${PACKAGE}/examples)
  lp_manual(${name} program ${PACKAGE} 8 ${SUMMARY} ${source}/package/${PACKAGE}.8)
  lp_manual(${name} config ${source}/${name}.toml ${PACKAGE}.toml "configuration of ${PACKAGE}"
            ${source}/package/${PACKAGE}.toml.5)
  lp_package_documents(${name} ${PACKAGE})
  string(TOUPPER ${name} component)
  set(CPACK_DEBIAN_${component}_PACKAGE_CONTROL_EXTRA
    "${folder}/postinst;${folder}/prerm;${folder}/postrm;${folder}/conffiles" PARENT_SCOPE)
endfunction()

# Builds all that packages hold, and nothing that they do not.
add_custom_target(package_contents)
add_dependencies(package_contents linkpilot-agent linkpilot-collector linkpilot
  linkpilot_routes_shared linkpilot_routes_static linkpilot_routes_sync)

lp_daemon_package(agent
  SUMMARY "measures the links of this node and keeps its route table"
  GROUP linkpilot-routes STATE /var/lib/linkpilot FILES_MAX 16384 START_SECONDS 60 STOP_SECONDS 15
  RESTART_SIGNAL USR2  # its peers wait for it
  PURGED agent.toml agent.key agent.key.pub
  OTHER_CONFIG /etc/linkpilot/collector.toml)
lp_daemon_package(collector
  SUMMARY "decides routes from what the agents measure"
  GROUP linkpilot-collector STATE /var/lib/linkpilot-collector
  FILES_MAX 65536 START_SECONDS 300 STOP_SECONDS 60 RESTART_SIGNAL TERM
  PURGED collector.toml collector.key routes.key probing.key probing.key.old token enrolled
  OTHER_CONFIG /etc/linkpilot/agent.toml)
lp_manual(cli program linkpilot 1 "asks and directs LinkPilot, dials streams"
          ${CMAKE_SOURCE_DIR}/tools/linkpilot/linkpilot.1)
lp_package_documents(cli linkpilot)
lp_package_documents(routes liblinkpilot-routes0)
lp_package_documents(routes_dev liblinkpilot-routes-dev)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME linkpilot)
set(CPACK_PACKAGE_VENDOR LinkPilot)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # it would stand above each package's own
set(CPACK_PACKAGE_CONTACT ${LINKPILOT_MAINTAINER})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL agent collector cli routes routes_dev)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SOURCE linkpilot)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

set(what "LinkPilot measures the links between the nodes of a live-streaming network
and works out which way each stream should go.")
# lp_describe(COMPONENT PACKAGE SECTION SYNOPSIS TEXT)
macro(lp_describe component package section synopsis text)
  set(CPACK_DEBIAN_${component}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${component}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${component}_DESCRIPTION "${synopsis}\n${what}\n.\n${text}")
endmacro()
lp_describe(AGENT linkpilot-agent net "measures the links of a live-streaming node"
  "The agent runs on each node: it probes its links and answers probes, reports
to the collector, keeps the route table that media servers read, and marks
dead first hops in a fifth of a second.")
lp_describe(COLLECTOR linkpilot-collector net "decides routes for a live-streaming network"
  "The collector takes in what the agents report, finds faults, solves for the
best paths, and publishes signed route tables.")
lp_describe(CLI linkpilot net "asks and directs LinkPilot, dials streams"
  "The command line: what links, routes, agents and faults are, orders to a
collector, keys, and dials of live streams (RTMP, HTTP-FLV) that measure
each phase of their opening and how they play.")
lp_describe(ROUTES liblinkpilot-routes0 libs "looks up routes that LinkPilot keeps on this node"
  "What a media server loads: liblinkpilot-routes looks up, in the file that the
agent keeps, which way a stream should go, in tens of nanoseconds and
without a lock; liblinkpilot-routes-sync keeps such a file up to date
without an agent.")
lp_describe(ROUTES_DEV liblinkpilot-routes-dev libdevel
  "development files of LinkPilot's route look-up"
  "Headers, static library, pkg-config and CMake files of liblinkpilot-routes (C)
and liblinkpilot-routes-sync (C++20), and an example.")
foreach(daemon AGENT COLLECTOR)
  # sysvinit-utils has the LSB functions of the init script.
  set(CPACK_DEBIAN_${daemon}_PACKAGE_DEPENDS "adduser, sysvinit-utils (>= 3.05-4~)")
  set(CPACK_DEBIAN_${daemon}_PACKAGE_RECOMMENDS "linkpilot, logrotate")
endforeach()
set(CPACK_DEBIAN_COLLECTOR_PACKAGE_SUGGESTS "linkpilot-agent")
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_ROUTES_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/agent/route_client/packaging/triggers)
lp_package_install(routes FILES agent/route_client/packaging/liblinkpilot-routes0
  DESTINATION /usr/share/lintian/overrides)
lp_package_install(routes_dev FILES agent/route_client/example/route_lookup.c
  DESTINATION /usr/share/doc/liblinkpilot-routes-dev/examples)
set(CPACK_DEBIAN_ROUTES_PACKAGE_SUGGESTS linkpilot-agent)
set(CPACK_DEBIAN_ROUTES_DEV_PACKAGE_DEPENDS "liblinkpilot-routes0 (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_ROUTES_DEV_PACKAGE_SHLIBDEPS OFF)
include(CPack)

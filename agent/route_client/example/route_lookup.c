/* Which way does a stream go? Prints the routes to a target from a local route table.
     cc route_lookup.c $(pkg-config --cflags --libs linkpilot-routes) */
#include <inttypes.h>
#include <linkpilot/linkpilot_routes.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char** argv) {
  if (argc != 4 || (strcmp(argv[2], "push") != 0 && strcmp(argv[2], "pull") != 0)) {
    fprintf(stderr, "usage: route_lookup TABLE push|pull TARGET\n");
    return 2;
  }
  const char* reason;
  lpr_client* client = lpr_open(argv[1], NULL, &reason);
  if (client == NULL) {
    fprintf(stderr, "route_lookup: %s: %s\n", argv[1], reason);
    return 3;
  }
  lpr_reader* reader = lpr_reader_new(client);
  const lpr_direction direction = strcmp(argv[2], "push") == 0 ? LPR_PUSH : LPR_PULL;
  lpr_route route;
  const lpr_status status = lpr_lookup(reader, direction, argv[3], LPR_TIME_COARSE, &route);
  if (status != LPR_OK) {
    fprintf(stderr, "route_lookup: no route (%d) %s\n", (int)status,
            route.reason != NULL ? route.reason : lpr_refusal(client));
  }
  for (uint32_t i = 0; i < route.path_count; ++i) {
    printf("%c", i == route.chosen ? '*' : ' ');
    for (int hop = 0; hop < route.paths[i].hop_count; ++hop) {
      lpr_node node;
      lpr_describe_node(reader, route.paths[i].hops[hop].node, &node);
      printf(" -> %s (%s)", node.name, lpr_hop_address(reader, &route.paths[i].hops[hop]));
    }
    printf("  %.1f ms\n", (double)route.paths[i].delay_ns / 1e6);
  }
  lpr_reader_free(reader);
  lpr_close(client);
  return status == LPR_OK ? 0 : 1;
}

# What unit tests link besides the library: TEST_EXTRA_test_NAME = FILES.

# A server to talk to, also over TLS.
TEST_EXTRA_test_http = tests/unit/http_server.c
TEST_EXTRA_test_sms = tests/unit/http_server.c
check/test_http check/test_sms: HOUSE_LIBS += -lssl

TEST_EXTRA_test_blob = fcgi-apps/sentinal/uploads/piece.c

TEST_EXTRA_test_jobs_idmap = jobs/idmap.c
TEST_EXTRA_test_jobs_idset = jobs/idset.c jobs/idmap.c

# Pure parts of the relay.
TEST_EXTRA_test_ws_frame = wsrelay/ws_frame.c wsrelay/utf8.c wsrelay/map.c wsrelay/deflate.c wsrelay/frame.c
TEST_EXTRA_test_ws_deflate = wsrelay/deflate.c wsrelay/deflate_offer.c wsrelay/frame.c wsrelay/ws_frame.c \
	wsrelay/ws_http.c wsrelay/utf8.c wsrelay/map.c
TEST_EXTRA_test_ws_http = wsrelay/ws_http.c
TEST_EXTRA_test_ws_realtime = wsrelay/realtime.c
TEST_EXTRA_test_ws_fcgi = wsrelay/fcgi_wire.c wsrelay/map.c
TEST_EXTRA_test_ws_order = wsrelay/order.c wsrelay/order_lane.c wsrelay/cursor.c wsrelay/rt_event.c wsrelay/recent.c \
	wsrelay/map.c wsrelay/utf8.c wsrelay/uid.c
TEST_EXTRA_test_ws_budget = wsrelay/budget.c wsrelay/map.c
TEST_EXTRA_test_ws_tables = wsrelay/recent.c wsrelay/map.c
TEST_EXTRA_test_ws_comeback = wsrelay/capacity.c wsrelay/limits.c wsrelay/share.c wsrelay/tally.c
TEST_EXTRA_test_ws_order_again = $(TEST_EXTRA_test_ws_order)

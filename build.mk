# Rules of the build; see Makefile.am for what is made of what.

V_AT = $(AM_V_at)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' $(1) $@;)

COMPILE_C = $(CC) -std=gnu17 $(AM_CPPFLAGS) $(CPPFLAGS) $(LIB_CFLAGS) $(HOUSE_WARN) $(CFLAGS) -MMD -MP
COMPILE_CXX = $(CXX) -std=gnu++17 $(AM_CPPFLAGS) $(CPPFLAGS) $(HOUSE_WARN) $(CXXFLAGS) -MMD -MP
LINK_C = $(CC) $(SANITIZE) $(CFLAGS) $(HOUSE_LDFLAGS) $(LDFLAGS)

# $(call sources,FOLDER): its C files relative to the source tree; $(call objects,FILES): their objects.
# make SKIP=shared/new.c builds without a file that is not ready yet.
sources = $(filter-out $(SKIP),$(patsubst $(top_srcdir)/%,%,$(wildcard $(top_srcdir)/$(1)/*.c)))
objects = $(patsubst %,obj/%.o,$(basename $(1)))

obj/%.o: $(top_srcdir)/%.c
	$(call say,CC)$(MKDIR_P) $(@D) && $(COMPILE_C) -c -o $@ $<
obj/%.o: $(top_srcdir)/%.cc
	$(call say,CXX)$(MKDIR_P) $(@D) && $(COMPILE_CXX) -c -o $@ $<
obj/gen/%.o: gen/%.c
	$(call say,CC)$(MKDIR_P) $(@D) && $(COMPILE_C) -c -o $@ $<

# ---- the generator: linked without the library, whose queries it makes --------------------------

APIGEN_OBJ = $(call objects,$(call sources,tools/apigen))
bin/apigen: $(APIGEN_OBJ)
	$(call say,LD)$(MKDIR_P) $(@D) && $(LINK_C) -o $@ $^ $(HOUSE_LIBS)

# ---- librookery ---------------------------------------------------------------------------------

CORE_SQL = $(wildcard $(top_srcdir)/shared/core/*.sql)
LIB_C = $(call sources,shared) $(call sources,shared/core)
LIB_CC = $(patsubst $(top_srcdir)/%,%,$(wildcard $(top_srcdir)/shared/*.cc))
LIB_OBJ = $(call objects,$(LIB_C) $(LIB_CC)) $(if $(CORE_SQL),obj/gen/core_sql.o)

librookery.a: $(LIB_OBJ)
	$(call say,AR)rm -f $@ && $(AR) crs $@ $^

# Core queries may be used by whatever is C or a contract, so a stamp follows all of that; the generated
# files themselves change only when their text does, and little is compiled again.
CORE_USERS = $(wildcard $(addprefix $(top_srcdir)/,shared/*.c shared/core/*.c jobs/*.c wsrelay/*.c \
	fcgi-apps/*/*/*.c fcgi-apps/*/*/*.yaml))
gen/core_sql.c gen/core_sql.h: gen/core_sql.stamp ;
gen/core_sql.stamp: $(CORE_SQL) $(CORE_USERS) bin/apigen
	$(call say,GEN)$(MKDIR_P) gen/new && bin/apigen core $(addprefix --sql ,$(CORE_SQL)) \
		--used-in $(CORE_USERS) --out-c gen/new/core_sql.c --out-h gen/new/core_sql.h && \
		$(call take,gen/new,gen,core_sql.c core_sql.h) && touch $@
# Before dependencies are known, whatever may include the generated header waits for it.
NEEDS_SQL = $(if $(CORE_SQL),gen/core_sql.h)
$(call objects,$(LIB_C)) obj/gen/core_sql.o: | $(NEEDS_SQL)

# $(call take,FROM,INTO,FILES): move those that differ
take = for f in $(3); do cmp -s $(1)/$$f $(2)/$$f || mv $(1)/$$f $(2)/$$f || exit 1; done

# ---- apps: one a family folder ------------------------------------------------------------------

# "whatsapp/devices whatsapp/messages …": each folder with a contract of its own name.
FAMILIES = $(sort $(foreach d,$(wildcard $(top_srcdir)/fcgi-apps/*/*/),$(if $(wildcard \
	$(d)$(notdir $(d:/=)).yaml),$(patsubst $(top_srcdir)/fcgi-apps/%/,%,$(d)))))
SURFACES = $(sort $(patsubst %/,%,$(dir $(FAMILIES))))
APPS = $(foreach f,$(FAMILIES),bin/rk-$(subst /,-,$(f)))
yaml_of = $(foreach f,$(1),$(top_srcdir)/fcgi-apps/$(f)/$(notdir $(f)).yaml)

# $(1) SURFACE/FAMILY, $(2) SURFACE, $(3) FAMILY, $(4) its C files
define family_rules
gen/$(1).gen.c gen/$(1).gen.h: gen/$(1).stamp ;
gen/$(1).stamp: $(wildcard $(top_srcdir)/fcgi-apps/$(1)/*.yaml $(top_srcdir)/fcgi-apps/$(1)/*.sql) \
		$(addprefix $(top_srcdir)/,$(4)) $(CORE_SQL) bin/apigen
	$$(call say,GEN)$$(MKDIR_P) gen/new/$(2) gen/$(2) && bin/apigen family $(2) $(3) --yaml $(call yaml_of,$(1)) \
		$(addprefix --sql ,$(wildcard $(top_srcdir)/fcgi-apps/$(1)/*.sql)) \
		$(addprefix --core-sql ,$(CORE_SQL)) $(addprefix --c $(top_srcdir)/,$(4)) \
		--out-c gen/new/$(1).gen.c --out-h gen/new/$(1).gen.h && \
		$$(call take,gen/new,gen,$(1).gen.c $(1).gen.h) && touch $$@
$(call objects,$(4)) obj/gen/$(1).gen.o: AM_CPPFLAGS += -Igen/$(2)
$(call objects,$(4)): | gen/$(1).gen.h $(NEEDS_SQL)
bin/rk-$(2)-$(3): obj/gen/$(1).gen.o $(call objects,$(4)) librookery.a
	$$(call say,LD)$$(MKDIR_P) $$(@D) && $$(LINK_C) -o $$@ $$^ $$(HOUSE_LIBS)
endef
$(foreach f,$(FAMILIES),$(eval $(call family_rules,$(f),$(patsubst %/,%,$(dir $(f))),$(notdir \
	$(f)),$(call sources,fcgi-apps/$(f)))))

# ---- daemons and the control helper -------------------------------------------------------------

# $(1) program, $(2) folder
define program_rules
bin/$(1): $(call objects,$(call sources,$(2))) librookery.a
	$$(call say,LD)$$(MKDIR_P) $$(@D) && $$(LINK_C) -o $$@ $$^ $$(HOUSE_LIBS)
$(call objects,$(call sources,$(2))): | $(NEEDS_SQL)
endef
CTL = bin/rk-ctl
DAEMONS = $(foreach d,wsrelay jobs,$(if $(wildcard $(top_srcdir)/$(d)/main.c),bin/rk-$(d)))
$(eval $(call program_rules,rk-ctl,tools/ctl))
$(eval $(call program_rules,rk-wsrelay,wsrelay))
$(eval $(call program_rules,rk-jobs,jobs))

# What belongs to the farm: folders come and go, and an old program may be left in bin/.
gen/programs: list-again
	@$(MKDIR_P) $(@D) && printf '%s\n' $(DAEMONS) $(APPS) >$@.new && { cmp -s $@.new $@ && rm $@.new || mv $@.new $@; }
.PHONY: list-again
list-again:

# The relay calls operations for its clients: which paths are whose, it gets as a table a surface.
RELAY_ROUTES = $(foreach s,$(SURFACES),gen/relay-$(s).c)
bin/rk-wsrelay: $(patsubst %.c,obj/%.o,$(RELAY_ROUTES))

# The jobs daemon's own queries.
JOBS_SQL = $(wildcard $(top_srcdir)/jobs/*.sql)
gen/jobs_sql.c gen/jobs_sql.h: gen/jobs_sql.stamp ;
gen/jobs_sql.stamp: $(JOBS_SQL) $(CORE_SQL) $(CORE_USERS) bin/apigen
	$(call say,GEN)$(MKDIR_P) gen/new && bin/apigen core --name jobs $(addprefix --sql ,$(JOBS_SQL)) \
		$(addprefix --core-sql ,$(CORE_SQL)) --used-in $(CORE_USERS) \
		--out-c gen/new/jobs_sql.c --out-h gen/new/jobs_sql.h && \
		$(call take,gen/new,gen,jobs_sql.c jobs_sql.h) && touch $@
bin/rk-jobs: obj/gen/jobs_sql.o
$(call objects,$(call sources,jobs)) obj/gen/jobs_sql.o: | gen/jobs_sql.h

rookery.conf: bin/rk-ctl
	$(call say,GEN)bin/rk-ctl config --template >$@.tmp && mv $@.tmp $@

# ---- what web servers and readers need ----------------------------------------------------------

families_of = $(filter $(1)/%,$(FAMILIES))
OPENAPI = $(foreach s,$(SURFACES),web/$(s)/openapi.json)
ROUTES = $(foreach s,$(SURFACES),gen/routes-$(s).lighttpd.conf gen/routes-$(s).apache.conf)
WEB_DATA = $(OPENAPI)

base_whatsapp = /api/v1
base_sentinal = /v1
base_gateway = /api
base_chatcall = /api/v1
base_intok = /api

# $(1) surface
define surface_rules
web/$(1)/openapi.json: $(call yaml_of,$(call families_of,$(1))) bin/apigen
	$$(call say,GEN)$$(MKDIR_P) $$(@D) && bin/apigen openapi $(1) --title "Rookery: $(1)" \
		--base $(base_$(1)) --out $$@ $(call yaml_of,$(call families_of,$(1)))
gen/routes-$(1).%.conf: $(call yaml_of,$(call families_of,$(1))) bin/apigen
	$$(call say,GEN)$$(MKDIR_P) $$(@D) && bin/apigen routes $(1) --server $$* --out $$@ \
		$(call yaml_of,$(call families_of,$(1)))
gen/relay-$(1).c: $(call yaml_of,$(call families_of,$(1))) bin/apigen
	$$(call say,GEN)$$(MKDIR_P) $$(@D) && bin/apigen routes $(1) --server relay --out $$@ \
		$(call yaml_of,$(call families_of,$(1)))
endef
$(foreach s,$(SURFACES),$(eval $(call surface_rules,$(s))))

# The reference page: our own files and those of its npm package (npm/ is filled by ./rookery up).
WEB_PACKAGE_FILES = $(addprefix npm/node_modules/swagger-ui-dist/,swagger-ui-bundle.js swagger-ui.css \
	LICENSE NOTICE)
.PHONY: web-files
web-files:
	@$(MKDIR_P) web/docs && for f in $(wildcard $(top_srcdir)/web/docs/*) $(wildcard $(WEB_PACKAGE_FILES)); do \
		cmp -s $$f web/docs/$${f##*/} || $(INSTALL_DATA) $$f web/docs/ || exit 1; done

define install_trees
	$(MKDIR_P) $(DESTDIR)$(pkgdatadir)/contracts $(DESTDIR)$(pkgdatadir)/web
	for f in $(FAMILIES); do $(MKDIR_P) "$(DESTDIR)$(pkgdatadir)/contracts/$${f%/*}" && \
		$(INSTALL_DATA) $(top_srcdir)/fcgi-apps/$$f/$${f#*/}.yaml \
			"$(DESTDIR)$(pkgdatadir)/contracts/$$f.yaml" || exit 1; done
	if test -d web/docs; then $(MKDIR_P) "$(DESTDIR)$(pkgdatadir)/web/docs" && \
		$(INSTALL_DATA) web/docs/* "$(DESTDIR)$(pkgdatadir)/web/docs"; fi
	for f in $(OPENAPI); do $(MKDIR_P) "$(DESTDIR)$(pkgdatadir)/$${f%/*}" && \
		$(INSTALL_DATA) $$f "$(DESTDIR)$(pkgdatadir)/$$f" || exit 1; done
endef

# ---- files that name installed places ------------------------------------------------------------

places = sed -e 's|@sbindir@|$(sbindir)|g' -e 's|@pkglibexecdir@|$(pkglibexecdir)|g' -e 's|@sysconfdir@|$(sysconfdir)|g' \
	-e 's|@pkgdatadir@|$(pkgdatadir)|g' -e 's|@statedir@|$(localstatedir)/lib/rookery|g'
UNITS = $(patsubst $(top_srcdir)/httpd-conf/%.in,gen/%,$(wildcard $(top_srcdir)/httpd-conf/systemd/rookery*.in))
gen/%: $(top_srcdir)/httpd-conf/%.in Makefile
	$(call say,GEN)$(MKDIR_P) $(@D) && $(places) $< >$@
bin/%: $(top_srcdir)/scripts/%.in Makefile
	$(call say,GEN)$(MKDIR_P) $(@D) && $(places) $< >$@ && chmod +x $@

DIST_FOLDERS = $(patsubst $(top_srcdir)/%,%,$(wildcard $(addprefix $(top_srcdir)/,.ci .clang-format \
	shared fcgi-apps wsrelay jobs tools sql scripts httpd-conf web tests docs)))

# ---- unit tests ---------------------------------------------------------------------------------

# A test that needs a file of a daemon names it: TEST_EXTRA_test_frame = wsrelay/frame.c
-include $(top_srcdir)/tests/unit/extra.mk
UNIT_C = $(patsubst $(top_srcdir)/%,%,$(wildcard $(top_srcdir)/tests/unit/test_*.c))
UNIT_TESTS = $(patsubst tests/unit/%.c,check/%.test,$(UNIT_C))
$(UNIT_TESTS): %.test: %
	@ln -sf $(notdir $<) $@
UNIT_SCRIPTS = $(patsubst $(top_srcdir)/tests/unit/%.sh,check/%.test,$(wildcard $(top_srcdir)/tests/unit/*.sh))
$(UNIT_SCRIPTS): check/%.test: $(top_srcdir)/tests/unit/%.sh
	$(call say,COPY)$(MKDIR_P) $(@D) && cp $< $@ && chmod +x $@

# $(1) test_NAME
define unit_rules
check/$(1): obj/tests/unit/$(1).o $(call objects,$(TEST_EXTRA_$(1))) librookery.a
	$$(call say,LD)$$(MKDIR_P) $$(@D) && $$(LINK_C) -o $$@ $$^ $$(HOUSE_LIBS) $$(CMOCKA_LIBS)
obj/tests/unit/$(1).o: | $(NEEDS_SQL)
endef
$(foreach t,$(basename $(notdir $(UNIT_TESTS))),$(eval $(call unit_rules,$(t))))

# ---- fuzz targets: make fuzz [FUZZ_SECONDS=60], with clang -----------------------------------------

FUZZ_SECONDS = 20
FUZZ_TARGETS = $(patsubst $(top_srcdir)/tests/fuzz/%.c,fuzz/%,$(wildcard $(top_srcdir)/tests/fuzz/*_fuzz.c))
FUZZ_WITH_fcgi_wire_fuzz = $(addprefix wsrelay/,fcgi_wire.c map.c)
FUZZ_WITH_multipart_fuzz = shared/multipart.c shared/buf.c shared/arena.c
FUZZ_WITH_query_fuzz = shared/query.c shared/arena.c
FUZZ_WITH_schema_fuzz = $(addprefix shared/,schema.c json.c buf.c arena.c clock.c id.c)
FUZZ_WITH_ws_frame_fuzz = $(addprefix wsrelay/,ws_frame.c ws_http.c cursor.c utf8.c map.c uid.c \
	deflate.c deflate_offer.c frame.c)

fuzz/%: $(top_srcdir)/tests/fuzz/%.c
	$(call say,FUZZ)$(MKDIR_P) $(@D) && clang -fsanitize=fuzzer,address,undefined -g -O1 $(AM_CPPFLAGS) \
		$(LIB_CFLAGS) -o $@ $< $(addprefix $(top_srcdir)/,$(FUZZ_WITH_$*)) $(HOUSE_LIBS)
fuzz: $(FUZZ_TARGETS)
	for t in $(FUZZ_TARGETS); do echo "== $$t"; $$t -max_total_time=$(FUZZ_SECONDS) -verbosity=0 || exit 1; done
.PHONY: fuzz

# ---- dependencies found by the compiler ---------------------------------------------------------

-include $(shell find obj -name '*.d' 2>/dev/null)

# Automake puts the line that includes this file at its end, where prerequisites named by these variables
# have been read already as nothing: say them again.
all-am: gen/programs $(CTL) $(DAEMONS) $(APPS) $(WEB_DATA) $(ROUTES) $(UNITS) \
	gen/systemd/hardening.conf gen/logrotate.conf
check-am: $(UNIT_TESTS) $(UNIT_SCRIPTS)
TESTS = $(UNIT_TESTS) $(UNIT_SCRIPTS)

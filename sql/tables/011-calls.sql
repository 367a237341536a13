-- Calls.  Sound and picture go from device to device; what is kept here is who may take part.
--
-- No foreign keys lead to accounts and conversations, which are never deleted as rows: a row that is only referred to
-- would be locked too, in whatever order.

CREATE TABLE call (
	id uuid PRIMARY KEY DEFAULT uuid7(),
	conversation_id uuid,		-- null: among those who were called, outside of any conversation
	initiator_id uuid NOT NULL,
	media text NOT NULL CONSTRAINT call_media CHECK (media IN ('audio', 'video')),
	direct boolean NOT NULL,	-- between two: it is over as soon as one of them goes
	status text NOT NULL DEFAULT 'initiated'
		CONSTRAINT call_status CHECK (status IN ('initiated', 'ringing', 'connected', 'ended')),
	reason text CONSTRAINT call_reason
		CHECK (reason IN ('completed', 'missed', 'declined', 'failed', 'timeout', 'network_error')),
	ended_by uuid,
	created_at timestamptz NOT NULL DEFAULT now(),
	rung_at timestamptz NOT NULL DEFAULT now(),	-- when somebody was called last
	alive_at timestamptz NOT NULL DEFAULT now(),	-- the last sign of anybody in it, a minute more or less
	connected_at timestamptz,
	ended_at timestamptz,
	CONSTRAINT call_ended_whole CHECK ((status = 'ended') = (ended_at IS NOT NULL)
		AND (status = 'ended') = (reason IS NOT NULL)),
	CONSTRAINT call_connected_whole CHECK (status <> 'connected' OR connected_at IS NOT NULL)
);
CREATE UNIQUE INDEX call_one_at_a_time ON call (conversation_id) WHERE status <> 'ended';
CREATE INDEX call_conversation ON call (conversation_id, id);
CREATE INDEX call_unanswered ON call (rung_at) WHERE status IN ('initiated', 'ringing');
CREATE INDEX call_running ON call (alive_at) WHERE status <> 'ended';
CREATE INDEX call_ended_at ON call (ended_at) WHERE status = 'ended';

CREATE TABLE call_participant (
	call_id uuid NOT NULL REFERENCES call ON DELETE CASCADE,
	account_id uuid NOT NULL,
	status text NOT NULL CONSTRAINT call_participant_status CHECK (status IN ('invited', 'joined', 'left')),
	device_id uuid,			-- that it joined with
	invited_by uuid,
	removed_by uuid,		-- who was removed comes back when called again, not by itself
	audio_muted boolean NOT NULL DEFAULT false,
	video_muted boolean NOT NULL DEFAULT false,
	missed boolean NOT NULL DEFAULT false,	-- was called, and neither took part nor refused
	missed_seen_at timestamptz,
	invited_at timestamptz NOT NULL DEFAULT now(),
	joined_at timestamptz,
	left_at timestamptz,
	PRIMARY KEY (call_id, account_id),
	CONSTRAINT call_participant_left CHECK ((status = 'left') = (left_at IS NOT NULL)),
	CONSTRAINT call_participant_joined CHECK (status <> 'joined' OR joined_at IS NOT NULL)
);
CREATE INDEX call_participant_account ON call_participant (account_id, call_id);
CREATE INDEX call_participant_missed ON call_participant (account_id, call_id) WHERE missed;
CREATE INDEX call_participant_invited ON call_participant (invited_at) WHERE status = 'invited';

-- What a participant's device measured at a moment.  Every figure may be missing.
CREATE TABLE call_quality (
	call_id uuid NOT NULL REFERENCES call ON DELETE CASCADE,
	account_id uuid NOT NULL,
	measured_at timestamptz NOT NULL,
	packet_loss real CONSTRAINT call_quality_packet_loss CHECK (packet_loss BETWEEN 0 AND 1),	-- share that was lost
	jitter real CONSTRAINT call_quality_jitter CHECK (jitter >= 0),		-- milliseconds
	latency real CONSTRAINT call_quality_latency CHECK (latency >= 0),	-- milliseconds
	bitrate bigint CONSTRAINT call_quality_bitrate CHECK (bitrate >= 0),	-- bits a second
	frame_rate real CONSTRAINT call_quality_frame_rate CHECK (frame_rate >= 0),
	resolution text,
	audio_level real,							-- dBov, 0 the loudest
	CONSTRAINT call_quality_once PRIMARY KEY (call_id, account_id, measured_at)
);
CREATE INDEX call_quality_measured_at ON call_quality (measured_at);

-- What the functions of calls answer.
CREATE TYPE call_change AS (
	id uuid, conversation_id uuid, initiator_id uuid, media text, status text, reason text, ended_by uuid,
	created_at timestamptz, connected_at timestamptz, ended_at timestamptz, duration integer, _event jsonb);
CREATE TYPE call_participant_change AS (
	account_id uuid, status text, audio_muted boolean, video_muted boolean, invited_at timestamptz,
	joined_at timestamptz, left_at timestamptz, _event jsonb);

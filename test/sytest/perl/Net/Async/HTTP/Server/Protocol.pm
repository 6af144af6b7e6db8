package Net::Async::HTTP::Server::Protocol;

# One connection: requests are cut out of the bytes that come in, and answered in their order.

use strict;
use warnings;
use parent 'IO::Async::Stream';

use HTTP::Request;

sub on_read {
    my ( $self, $buffer ) = @_;
    return 0 unless $$buffer =~ m/\A(?:\r\n)*(.*?\r\n\r\n)/s;
    my $start = $+[0];
    my $message = HTTP::Request->parse($1);
    my $length = $message->header('Content-Length') // 0;
    if ( defined $message->header('Transfer-Encoding') || $length !~ m/\A\d+\z/ ) {
        warn 'A request without Content-Length is not understood: ' . ( $message->uri // '' ) . "\n";
        $self->close;
        return 0;
    }
    return 0 if length $$buffer < $start + $length;
    $message->content( substr $$buffer, $start, $length );
    substr( $$buffer, 0, $start + $length ) = '';

    my $request = $self->parent->make_request( $self, $message );
    push @{ $self->{waiting} }, $request;
    $self->parent->invoke_event( on_request => $request );

    # The handler may have closed the connection; otherwise the buffer may hold one more request.
    return $self->read_handle ? 1 : 0;
}

# Sends the answers that nothing before them holds up.
sub send_answers {
    my ($self) = @_;
    my $waiting = $self->{waiting};
    while ( @$waiting && defined $waiting->[0]->answer ) {
        my $request = shift @$waiting;
        $self->write( $request->answer );
        $self->close_when_empty if $request->is_last;
    }
    return;
}

1;

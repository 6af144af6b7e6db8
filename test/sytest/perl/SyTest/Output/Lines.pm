package SyTest::Output::Lines;

# Sytest's output as JSON, one object a line: {"file", "name", "outcome", "detail"} for a test that is over, and
# {"remark"} for what else there is to say; that about a failed test comes after it.

use strict;
use warnings;

use JSON ();

use constant FORMAT => 'lines';

STDOUT->autoflush(1);

my $json = JSON->new->ascii->canonical;
my $file = '';

sub run_file { $file = $_[1] =~ s{^tests/}{}r; return }

sub enter_test       { return SyTest::Output::Lines::Test->new( $_[1] ) }
sub enter_multi_test { return SyTest::Output::Lines::Test->new( $_[1] ) }

sub diag     { say_object( remark => $_[1] ); return }
sub diagwarn { say_object( remark => "warning: $_[1]" ); return }

sub final_pass { return }
sub final_fail { return }
sub status     { return }

sub say_object { print $json->encode( {@_} ), "\n"; return }

package SyTest::Output::Lines::Test {
    sub new { my ( $class, $name ) = @_; return bless { name => $name, detail => '' }, $class }

    sub name    { return $_[0]->{name} }
    sub passed  { return !$_[0]->{failed} && !$_[0]->{skipped} }
    sub skipped { return $_[0]->{skipped} }
    sub failed  { return $_[0]->{failed} }

    sub start { return }
    sub pass  { return }

    sub fail { my ( $self, $reason ) = @_; $self->{failed} = 1; $self->{detail} .= $reason; return }
    sub skip { my ( $self, $reason ) = @_; $self->{skipped} = 1; $self->{detail} .= $reason; return }
    sub ok   { my ( $self, $good, $step ) = @_; $self->fail("$step\n") unless $good; return }

    sub leave {
        my ($self) = @_;
        SyTest::Output::Lines::say_object(
            file    => $file,
            name    => $self->{name},
            outcome => $self->{failed} ? 'failed' : $self->{skipped} ? 'skipped' : 'passed',
            detail  => $self->{detail},
        );
        return;
    }
}

1;
